import type { Timers } from "./timers.ts";

/** Waits for what others answer (a storage, the application's `getToken`), and not for longer than editing may wait. */
export class Patience {
  readonly #timers: Timers;
  #giveUp: () => void = () => {};

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /**
   * One answer at a time, if it comes in time; rejects otherwise.
   * @param late takes an answer that comes afterwards.
   */
  wait<Answer>(
    asked: Promise<Answer>,
    ms: number,
    late: (answer: Answer) => void = () => {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        cancel();
        reject(new Error(`there was no answer within ${ms} ms`));
        asked.then(late, () => {});
      };
      const cancel = this.#timers.after(ms, giveUp);
      this.#giveUp = giveUp;
      const settled = (): void => {
        cancel();
        if (this.#giveUp === giveUp) this.#giveUp = () => {};
      };
      asked.then(settled, settled);
      asked.then(resolve, reject);
    });
  }

  /** Ends what is waited for. */
  giveUp(): void {
    this.#giveUp();
  }
}
