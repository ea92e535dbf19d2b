/** Requests that are under way when a server closes: Node.js waits for each, also for one whose client stopped sending. */
import type { IncomingMessage, Server } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** How long a request that is still being sent may take when the server closes, and one that is being answered. */
export interface Patience {
  readonly sendingMs: number;
  readonly answeringMs: number;
}

/** Watches a server's requests. The result, called when the server closes, cuts off who takes longer; `ended`: nobody is left. */
export function watchRequests(server: Server): (patience: Patience, ended: AbortSignal) => Promise<void> {
  const asked = new Set<IncomingMessage>();
  server.on("request", (request, response) => {
    asked.add(request);
    response.once("close", () => asked.delete(request));
  });
  return async ({ sendingMs, answeringMs }, ended) => {
    const until = performance.now() + answeringMs;
    const pause = (ms: number) => delay(ms, undefined, { signal: ended }).catch(() => undefined);
    await pause(sendingMs);
    while (!ended.aborted && performance.now() < until && [...asked].some(({ complete }) => complete))
      await pause(20);
    server.closeAllConnections();
  };
}
