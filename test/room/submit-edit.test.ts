import { uuidv7 } from "uuidv7";
import { expect, it } from "vitest";
import type { Room } from "../../server/room/room.ts";
import type { SubmitAnswer } from "../../server/room/submission.ts";
import { submitEdit } from "../../server/room/submit-edit.ts";
import { createMemoryStore } from "../../server/store/memory/store.ts";
import { batchAt, newDocument, operation, origin } from "../store/fixtures.ts";

it("[rest/operations] a repeat reads what it names, not the log between its first and its last operation", async () => {
  const store = createMemoryStore({ nowMs: Date.now, newId: uuidv7 });
  const created = await store.documents.create(newDocument());
  if (created.outcome !== "created") throw new Error("not created");
  const by = origin("ann");
  const log = Array.from({ length: 50 }, () => operation(by, "e"));
  await store.commit([batchAt(created.document, log)], { wait: true });
  await store.operations.updateStatus(created.document.docId, log[0]?.id ?? "", "resolved");

  let read = 0;
  const operations = new Proxy(store.operations, {
    get:
      (of, name) =>
      async (...given: unknown[]) => {
        const rows = await (Reflect.get(of, name) as (...given: unknown[]) => Promise<unknown[]>)(...given);
        read += rows.length;
        return rows;
      },
  });
  const room = {
    docId: created.document.docId,
    version: 50,
    submit: ({ answer }: { answer: (answer: SubmitAnswer) => void }) =>
      answer({ outcome: "duplicate", versions: [50, 1] }),
  } as unknown as Room;
  const request = { origin: by, authorise: () => undefined };
  const ops = [50, 1].map(() => ({ id: uuidv7(), type: "update" as const, element: "e" }));
  expect(await submitEdit(room, { operations }, request, { ops, base: undefined })).toEqual({
    ok: true,
    version: 50,
    versions: [50, 1],
    statuses: ["applied", "resolved"],
    duplicate: true,
  });
  expect(read).toBe(2);
});
