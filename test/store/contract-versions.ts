import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { batchAt, newDocument, operation, origin } from "./fixtures.ts";
import type { Subject } from "./subject.ts";

export function versionsContract(subject: () => Subject): void {
  /** A document at version 3. */
  const documentAt3 = async () => {
    const { store } = subject();
    const created = await store.documents.create(newDocument());
    if (created.outcome !== "created") throw new Error("not created");
    const { docId } = created.document;
    const three = ["a", "b", "c"].map((element) =>
      operation(origin(), element, { type: "create", data: "{}" }),
    );
    await store.commit([batchAt(created.document, three)], { wait: true });
    return docId;
  };

  describe("named versions", () => {
    test("[store/versions] named once, the current one by default; beyond, archived and missing are told", async () => {
      const { store } = subject();
      const docId = await documentAt3();
      const first = await store.versions.create(docId, { name: "first", version: 1, createdBy: "ann" });
      expect(first).toMatchObject({
        outcome: "created",
        named: { name: "first", version: 1, createdBy: "ann", createdAt: expect.stringMatching(/Z$/) },
      });
      const create = (name: string, version?: number) =>
        store.versions.create(docId, { name, createdBy: "bob", ...(version !== undefined && { version }) });
      expect(await create("now")).toMatchObject({ outcome: "created", named: { version: 3 } });
      expect(await create("zero", 0)).toMatchObject({ outcome: "created", named: { version: 0 } });
      expect(await create("first", 2)).toEqual({ outcome: "taken" });
      expect(await create("later", 4)).toEqual({ outcome: "beyond", version: 3 });
      expect(await store.versions.create(uuidv7(), { name: "x", createdBy: "ann" })).toEqual({
        outcome: "missing",
      });
      expect(await store.versions.marked(docId)).toEqual([0, 1, 3]);
      await store.documents.updateVersion(docId, 3, 8, new TextEncoder().encode("{}"), "tool");
      expect(await create("old", 7)).toEqual({ outcome: "archived" });
      expect(await create("new", 8)).toMatchObject({ outcome: "created" });
    });

    test("[store/versions] listed by version and name, in pages; removed; gone with their document", async () => {
      const { store } = subject();
      const docId = await documentAt3();
      for (const [name, version] of [
        ["b", 2],
        ["é", 1],
        ["a", 2],
        ["B", 2],
        ["c", 0],
      ] as const)
        await store.versions.create(docId, { name, version, createdBy: "ann" });
      const names: string[] = [];
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page = await store.versions.list(docId, { limit: 2, ...(cursor && { cursor }) });
        names.push(...page.items.map(({ name }) => name));
        cursor = page.nextCursor;
      }
      expect(names).toEqual(["c", "é", "B", "a", "b"]);
      expect(await store.versions.remove(docId, "a")).toBe(true);
      expect(await store.versions.remove(docId, "a")).toBe(false);
      expect((await store.versions.list(docId, { limit: 9 })).items).toHaveLength(4);
      await store.documents.purge(docId);
      expect(await store.versions.list(docId, { limit: 9 })).toEqual({ items: [], nextCursor: null });
    });
  });
}
