import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { connect, join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

it("[fault-lease] one that still takes its snapshot is recorded again when its instance's lease was lost", async () => {
  const database = await createTestDatabase();
  const presence = { frameMs: 50, heartbeatMs: 100, leaseMs: 10_000 };
  const instance = await startTestInstance(database.url, { presence });
  try {
    const token = await devToken(instance.url, "ada");
    const { body } = await rest(instance.url, token, "POST", "/documents", { name: "Large" });
    const docId = body.id as string;
    const writer = await join({ url: instance.url, docId, hello: { token, clientId: "writer" } });
    // More than the sockets' own buffers take.
    for (let seq = 1; seq <= 20; seq += 1) {
      const ops = Array.from({ length: 10 }, (_, n) => {
        const props = { text: "x".repeat(100_000) };
        return { id: randomUUID(), type: "create", element: `e${seq}-${n}`, props };
      });
      writer.send({ type: "submit", seq, base: 0, ops });
      await writer.sequenced(ops.at(-1)?.id ?? "");
    }
    const slow = connect({ url: instance.url, docId });
    slow.send({ type: "hello", token, clientId: "slow" });
    const { sessionId } = await slow.next("welcome");
    slow.ws.pause();
    const left = async () => {
      const { rows } = await database.pool.query("SELECT left_at FROM sessions WHERE id = $1", [sessionId]);
      return rows[0]?.left_at;
    };
    expect(await left()).toBeNull();
    // As another instance does that finds the lease at its end.
    await database.pool.query("UPDATE sessions SET left_at = now()");
    await database.pool.query("DELETE FROM instances");
    await waitFor(async () => (await left()) === null);
    slow.ws.resume();
    slow.send({ type: "ping", t: 1 });
    await slow.next("pong");
    await Promise.all([writer.close(), slow.close()]);
  } finally {
    await instance.close();
    await database.drop();
  }
});
