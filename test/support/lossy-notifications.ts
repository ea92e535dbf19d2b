/**
 * A proxy before PostgreSQL that passes everything on but notifications: of those, some are dropped, some come twice,
 * some come late and so out of order. Reads the frontend/backend protocol's message frames (type byte, length) of the
 * server's side; the client's is passed on as it is. Plain connections only, as those of the test databases are.
 */
import net from "node:net";
import type { SeededRandom } from "./seeded-random.ts";

export interface LossyNotifications {
  /** The database's URL by way of the proxy. */
  readonly url: string;
  /** What became of the notifications so far. */
  readonly counts: { passed: number; dropped: number; doubled: number; delayed: number };
  close(): Promise<void>;
}

/** NotificationResponse, of PostgreSQL's message formats. */
const notification = "A".charCodeAt(0);
const maxDelayMs = 700;

/** `share` of the notifications (0–1) meet a fault, each kind as often as the others. */
export async function proxyNotifications(
  databaseUrl: string,
  random: SeededRandom,
  share: number,
): Promise<LossyNotifications> {
  const target = new URL(databaseUrl);
  const counts = { passed: 0, dropped: 0, doubled: 0, delayed: 0 };
  const sockets = new Set<net.Socket>();
  const timers = new Set<NodeJS.Timeout>();

  function notify(to: net.Socket, message: Buffer): void {
    if (random.next() >= share) {
      counts.passed += 1;
      to.write(message);
      return;
    }
    const kind = random.pick(["dropped", "doubled", "delayed"] as const);
    counts[kind] += 1;
    if (kind === "doubled") to.write(Buffer.concat([message, message]));
    if (kind !== "delayed") return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (to.writable) to.write(message);
    }, random.next() * maxDelayMs);
    timers.add(timer);
  }

  const server = net.createServer((client) => {
    const upstream = net.connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.setNoDelay(true);
    }
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    client.on("data", (data) => upstream.write(data));
    let rest = Buffer.alloc(0);
    upstream.on("data", (data) => {
      rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
      let from = 0;
      let at = 0;
      while (rest.length - at >= 5) {
        const end = at + 1 + rest.readUInt32BE(at + 1);
        if (end > rest.length) break;
        if (rest[at] === notification) {
          if (at > from) client.write(rest.subarray(from, at));
          notify(client, Buffer.from(rest.subarray(at, end)));
          from = end;
        }
        at = end;
      }
      if (at > from) client.write(rest.subarray(from, at));
      rest = rest.subarray(at);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as net.AddressInfo).port);
  return {
    url: url.href,
    counts,
    async close() {
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
