/** A page or process that can die at any moment: its timers, sockets and writes end with it, its claims are free. */
import type { OpenDocumentOptions, ReplicaStorage, Timers } from "../../client/index.ts";

export class DyingHost {
  #alive = true;
  readonly #claims: (() => void)[] = [];

  /** Nothing that belongs to it happens any more. */
  die(): void {
    this.#alive = false;
    for (const release of this.#claims) release();
  }

  timers(timers: Timers): Timers {
    return {
      now: () => timers.now(),
      after: (delayMs, callback) =>
        timers.after(delayMs, () => {
          if (this.#alive) callback();
        }),
    };
  }

  /** @param delay lets a write take its time, so that a death may come before it. */
  storage(storage: ReplicaStorage, delay: () => Promise<void> = async () => {}): ReplicaStorage {
    return {
      ...storage,
      save: async (scope, clientId, change) => {
        await delay();
        if (!this.#alive) return new Promise<never>(() => {});
        return storage.save(scope, clientId, change);
      },
      claim: async (scope, clientId) => {
        if (!this.#alive) return new Promise<never>(() => {});
        const release = await storage.claim(scope, clientId);
        if (release === undefined) return undefined;
        this.#claims.push(release);
        if (!this.#alive) release();
        return release;
      },
      remove: async (scope, clientId) => {
        if (!this.#alive) return new Promise<never>(() => {});
        return storage.remove(scope, clientId);
      },
    };
  }

  sockets(
    create: NonNullable<OpenDocumentOptions["createWebSocket"]>,
  ): NonNullable<OpenDocumentOptions["createWebSocket"]> {
    return (url, subprotocol) => (this.#alive ? create(url, subprotocol) : new Promise<never>(() => {}));
  }
}
