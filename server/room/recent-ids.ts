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
}

const generation = 1_000;
