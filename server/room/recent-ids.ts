/**
 * Which operations took their places in the log lately, by id: the last thousand at least. Every operation is put in and
 * hardly any is looked for (repeats, and conflict records), so that these are lists and not sets.
 */
export class RecentIds {
  #newest: string[] = [];
  #older: string[] = [];

  add(id: string): void {
    if (this.#newest.push(id) < generation) return;
    this.#older = this.#newest;
    this.#newest = [];
  }

  has(id: string): boolean {
    return this.#newest.includes(id) || this.#older.includes(id);
  }

  /** Whether one of them did; a thousand cost no more than looking through the lists once. */
  hasAny(ids: readonly string[]): boolean {
    const [only] = ids;
    if (only === undefined) return false;
    if (ids.length === 1) return this.has(only);
    const asked = new Set(ids);
    return this.#newest.some((id) => asked.has(id)) || this.#older.some((id) => asked.has(id));
  }
}

const generation = 1_000;
