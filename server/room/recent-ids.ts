/** Which operations took their places in the log lately, by id: the last thousand at least. */
export class RecentIds {
  #newest = new Set<string>();
  #older = new Set<string>();

  add(id: string): void {
    this.#newest.add(id);
    if (this.#newest.size < generation) return;
    // Given up together: taking them out one by one costs as much as putting them in.
    this.#older = this.#newest;
    this.#newest = new Set();
  }

  has(id: string): boolean {
    return this.#newest.has(id) || this.#older.has(id);
  }
}

const generation = 1_000;
