/** The locks of clients that said goodbye: released after their session has gone, before the instance does. */
import type { Logger } from "../observability/log.ts";
import { type LockRoom, releaseOfClosed } from "../room/lock-requests.ts";
import type { Origin } from "../store/store.ts";

export interface Releases {
  /** Begins to release, after `before`; when it fails the leases end by themselves. */
  start(room: LockRoom, origin: Origin, before?: Promise<void>): void;
  /** Resolves when none is under way. */
  settled(): Promise<void>;
}

export function createReleases(log: Logger): Releases {
  const running = new Set<Promise<void>>();
  return {
    start(room, origin, before = Promise.resolve()) {
      const release = before
        .then(() => releaseOfClosed(room, origin))
        .catch((cause: unknown) => log.warn({ err: cause }, "could not release the locks of who left"))
        .finally(() => running.delete(release));
      running.add(release);
    },
    async settled() {
      await Promise.all(running);
    },
  };
}
