/** Somebody holds the row of one document, as an open transaction in psql does, and many want to change it. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { loadConfig } from "../../server/config.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, holdRow } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

it("[fault-held-row] who changes it is told unavailable and when to try again, and other documents are edited meanwhile", async () => {
  const database = await createTestDatabase();
  const { postgres } = loadConfig({ flags: {}, env: {} }).store;
  const instance = await startTestInstance(database.url, {
    store: { postgres: { ...postgres, maxOpenConns: 4, maxIdleConns: 0 } },
  });
  try {
    const token = await devToken(instance.url, "ada");
    const create = async () => {
      const { body } = await rest<{ id: string }>(instance.url, token, "POST", "/documents", { name: "d" });
      return body.id;
    };
    const [held, free] = [await create(), await create()];
    const stranger = await holdRow(database, held);
    try {
      const changes = Array.from({ length: 6 }, (_, n) =>
        rest<{ code: string }>(instance.url, token, "PATCH", `/documents/${held}`, { name: `n${n}` }),
      );
      const ops = [{ id: randomUUID(), type: "create", element: "e", props: {} }];
      const edit = () => rest(instance.url, token, "POST", `/documents/${free}/operations`, { ops });
      // Half of the time that a statement has.
      await waitFor(async () => (await edit()).status === 200, { timeoutMs: 7_500 });
      for (const { status, body, headers } of await Promise.all(changes)) {
        expect([status, body.code]).toEqual([503, "unavailable"]);
        expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      }
    } finally {
      await stranger.release();
    }
    const changed = await rest(instance.url, token, "PATCH", `/documents/${held}`, { name: "now" });
    expect(changed.status).toBe(200);
  } finally {
    await instance.close();
    await database.drop();
  }
});
