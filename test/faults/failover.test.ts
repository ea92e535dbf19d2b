/** A failover to a standby that lagged: what was answered last is not there any more. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { openDocument } from "../../client/index.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

it("[fault-failover] a change of metadata is lost, no operation: editing goes on under the metadata that is left", async () => {
  const database = await createTestDatabase();
  const instances = await Promise.all([startTestInstance(database.url), startTestInstance(database.url)]);
  const [{ url }] = instances as [(typeof instances)[0], (typeof instances)[0]];
  const token = await devToken(url, "ada");
  const { body } = await rest<{ id: string }>(url, token, "POST", "/documents", { name: "kept" });
  const path = `/documents/${body.id}`;
  const replicas = instances.map((instance) =>
    openDocument({ url: instance.url, documentId: body.id, token }),
  );
  try {
    await Promise.all(replicas.map((replica) => replica.ready));
    const changed = await rest(url, token, "PATCH", path, { name: "lost" });
    expect(changed).toMatchObject({ status: 200, body: { name: "lost", metadataVersion: 2 } });
    await waitFor(() => replicas.every((replica) => replica.documentMetadata?.name === "lost"));
    await database.pool.query("UPDATE documents SET name = 'kept', metadata_version = 1 WHERE id = $1", [
      body.id,
    ]);
    replicas.forEach((replica, index) => {
      replica.transact((transaction) => transaction.create(`of-${index}`, { n: index }));
    });
    // R10: within 10 s of the fault's end.
    await waitFor(() => replicas.every(({ elements }) => elements.size === 2), { timeoutMs: 10_000 });
    await Promise.all(replicas.map((replica) => replica.whenSettled()));
    expect((await rest(url, token, "GET", path)).body).toMatchObject({
      name: "kept",
      metadataVersion: 1,
      version: 2,
    });
    await waitFor(() => replicas.every((replica) => replica.documentMetadata?.name === "kept"));
  } finally {
    await Promise.all(replicas.map((replica) => replica.close()));
    await Promise.all(instances.map((instance) => instance.close()));
    await database.drop();
  }
});

it("[fault-failover-refusal] nothing is refused under operations that were lost", async () => {
  const database = await createTestDatabase();
  // Nothing but the refusal's own look at the database finds out.
  const instance = await startTestInstance(database.url, {
    fanout: { antiEntropyMs: 20_000, canaryMs: 20_000 },
  });
  try {
    const token = await devToken(instance.url, "ada");
    const fields = { name: "x", elements: { a: { x: 1 } } };
    const { body } = await rest<{ id: string }>(instance.url, token, "POST", "/documents", fields);
    const path = `/documents/${body.id}/operations`;
    const create = () =>
      rest(instance.url, token, "POST", path, {
        ops: [{ id: randomUUID(), type: "create", element: "b", props: { x: 1 } }],
      });
    expect(await create()).toMatchObject({ status: 200, body: { version: 2 } });
    await database.pool.query("DELETE FROM operations WHERE doc_id = $1 AND version = 2", [body.id]);
    await database.pool.query(
      `UPDATE documents d SET version = 1, last_operation_id = o.id FROM operations o
        WHERE d.id = $1 AND o.doc_id = d.id AND o.version = 1`,
      [body.id],
    );
    const statuses: number[] = [];
    await waitFor(async () => statuses.push((await create()).status) > 0 && statuses.at(-1) === 200);
    // The element is there no more: at worst nobody knew.
    expect(statuses.slice(0, -1).filter((status) => status !== 503)).toEqual([]);
  } finally {
    await instance.close();
    await database.drop();
  }
});
