/** How long what waits for a read that failed waits before it asks for the next one. */
export const readAgainMs = 250;

/**
 * Work that runs once at a time and looks again when it was asked meanwhile: the promise of `start` is that of a run
 * that began after the call, so that it has seen what the caller knows of.
 *
 * `onRun` is called after each run; a little later where it failed, since whoever is called may start it again at once.
 */
export class Repeatable {
  readonly #work: () => Promise<void>;
  readonly #onRun: () => void;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>, onRun: () => void = () => {}) {
    this.#work = work;
    this.#onRun = onRun;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  start(): Promise<void> {
    // The next one may be due in a moment, when none is running: two would run at once.
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#run();
    this.#next = this.#running.then(
      () => this.#again(),
      () => this.#again(),
    );
    return this.#next;
  }

  #again(): Promise<void> {
    this.#next = undefined;
    return this.#run();
  }

  #run(): Promise<void> {
    const running = this.#work().then(
      () => {
        this.#running = undefined;
        this.#onRun();
      },
      (cause: unknown) => {
        this.#running = undefined;
        setTimeout(this.#onRun, readAgainMs);
        throw cause;
      },
    );
    this.#running = running;
    return running;
  }
}
