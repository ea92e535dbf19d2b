/** What has to be stopped or removed whatever happens: in the reverse order of its start, each once. */
export class Cleanups {
  #closing: Promise<void> | undefined;
  readonly #waiting = new Map<symbol, () => Promise<void>>();

  /** Returns a function that cleans up now. */
  add(clean: () => Promise<void>): () => Promise<void> {
    const key = Symbol();
    this.#waiting.set(key, clean);
    return async () => {
      if (this.#waiting.delete(key)) await clean();
    };
  }

  /** Waits for all, also when somebody else has begun. */
  close(): Promise<void> {
    this.#closing ??= this.#cleanAll();
    return this.#closing;
  }

  async #cleanAll(): Promise<void> {
    for (const [key, clean] of [...this.#waiting].reverse()) if (this.#waiting.delete(key)) await clean();
  }
}
