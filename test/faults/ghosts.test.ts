/** Rows of sessions that nobody has. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

it("[fault-ghost] a row that no session of its living instance has is gone in seconds, and everybody is told", async () => {
  const database = await createTestDatabase();
  const start = () => startTestInstance(database.url, { presence: { heartbeatMs: 200 } });
  const [one, two] = [await start(), await start()];
  try {
    const token = await devToken(one.url, "ada");
    const { body } = await rest<{ id: string }>(one.url, token, "POST", "/documents", { name: "d" });
    const docId = body.id;
    const own = await join({ url: one.url, docId, hello: { token, clientId: "own" } });
    const other = await join({ url: two.url, docId, hello: { token, clientId: "other" } });
    const sessionId = randomUUID();
    // As a join leaves it that was given up, and that the database executes after the leave. Recorded a little later than
    // now, so that it is seen by all means.
    await database.pool.query(
      `INSERT INTO sessions (id, doc_id, instance_id, user_id, client_id, role, first_version, joined_at)
      VALUES ($1, $2, $3, 'ghost', 'ghost', 'owner', 1, clock_timestamp() + interval '3 seconds')`,
      [sessionId, docId, one.instanceId],
    );
    const isGhost = ({ clientId }: { readonly clientId: string }) => clientId === "ghost";
    await other.next("presence", ({ joined }) => joined?.some(isGhost) ?? false);
    const isTold = (id: string) =>
      other.messages.some((message) => message.type === "presence" && message.left?.includes(id));
    await waitFor(() => isTold(sessionId), { timeoutMs: 20_000 });
    const sessions = await rest(two.url, token, "GET", `/documents/${docId}/sessions`);
    expect(JSON.stringify(sessions.body)).not.toContain("ghost");
    await waitFor(async () => {
      const { body: document } = await rest<{ activeUsers: string[] }>(
        two.url,
        token,
        "GET",
        `/documents/${docId}`,
      );
      return document.activeUsers.join() === "ada";
    });
    expect(isTold(own.welcome.sessionId)).toBe(false);
    const live = await database.pool.query("SELECT FROM sessions WHERE left_at IS NULL");
    expect(live.rowCount).toBe(2);
    await Promise.all([own.close(), other.close()]);
  } finally {
    await Promise.all([one.close(), two.close()]);
    await database.drop();
  }
});
