import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

it("[slow-1] a reader that stops is closed with a bounded buffer; the writer and other readers notice nothing", async () => {
  const database = await createTestDatabase();
  const instance = await startTestInstance(database.url, { limits: { maxSendBufferBytes: 256 * 1024 } });
  try {
    const token = await devToken(instance.url, "ada");
    const { body } = await rest(instance.url, token, "POST", "/documents", { name: "Busy" });
    const enter = () =>
      join({ url: instance.url, docId: body.id as string, hello: { token, clientId: randomUUID() } });
    const [writer, reader, stopped] = await Promise.all([enter(), enter(), enter()]);
    stopped.ws.pause();
    const metric = async () => (await fetch(`${instance.url}/metrics`)).text();
    // More than the sockets' own buffers take, a part after the other, as people would send it.
    let last = "";
    for (let seq = 1; seq <= 400 && !(await metric()).includes("aetherflow_slow_readers_total 1"); seq += 1) {
      last = randomUUID();
      const props = { text: "x".repeat(100_000) };
      writer.send({
        type: "submit",
        seq,
        base: 0,
        ops: [{ id: last, type: "create", element: last, props }],
      });
      await writer.sequenced(last);
    }
    await waitFor(async () => (await metric()).includes("aetherflow_slow_readers_total 1"));
    await reader.sequenced(last);
    stopped.ws.resume();
    expect([4413, 1006]).toContain((await stopped.closed).code);
    await Promise.all([writer.close(), reader.close()]);
  } finally {
    await instance.close();
    await database.drop();
  }
});
