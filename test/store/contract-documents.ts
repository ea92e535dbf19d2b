import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { StoreRefused } from "../../server/store/store.ts";
import { batchAt, newDocument, operation, origin } from "./fixtures.ts";
import type { Subject } from "./subject.ts";

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

export function documentContract(subject: () => Subject): void {
  describe("documents", () => {
    test("[store/documents] create begins at version 0 with the defaults; a taken id is told", async () => {
      const { documents } = subject().store;
      const fresh = newDocument({ tags: ["a"], properties: { team: "x" }, editors: ["bob"] });
      const created = await documents.create(fresh);
      if (created.outcome !== "created") throw new Error("not created");
      expect(created.document).toMatchObject({
        docId: fresh.id,
        version: 0,
        operationId: null,
        metadataVersion: 1,
        revision: 0,
        state: "active",
        owner: "ann",
        updatedBy: "ann",
        tags: ["a"],
        properties: { team: "x" },
        editors: ["bob"],
        viewers: [],
        public: false,
        conflictPolicy: "lww",
        description: "",
        activeUsers: [],
      });
      expect(created.document.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(await documents.create(fresh)).toEqual({ outcome: "taken" });
      expect(await documents.get(fresh.id)).toEqual(created.document);
      expect(await documents.get(uuidv7())).toBeUndefined();
      expect((await documents.getMany([fresh.id, uuidv7()])).map(({ docId }) => docId)).toEqual([fresh.id]);
    });

    test("[store/documents] a value that cannot be stored is a StoreRefused", async () => {
      await expect(subject().store.documents.create(newDocument({ name: "n".repeat(256) }))).rejects.toThrow(
        StoreRefused,
      );
    });

    test("[store/documents] update moves metadataVersion and updatedAt, compares on demand, and leaves the rest", async () => {
      const { documents } = subject().store;
      const { id } = newDocument();
      const created = await documents.create(newDocument({ id, description: "d" }));
      if (created.outcome !== "created") throw new Error("not created");
      await subject().pass(2);
      const updated = await documents.update(id, { name: "B", viewers: ["eve"] }, "bob", 1);
      if (updated.outcome !== "updated") throw new Error(updated.outcome);
      expect(updated.document).toMatchObject({
        name: "B",
        viewers: ["eve"],
        description: "d",
        metadataVersion: 2,
        updatedBy: "bob",
      });
      expect(updated.document.updatedAt > created.document.updatedAt).toBe(true);
      const mismatch = await documents.update(id, { name: "C" }, "bob", 1);
      expect(mismatch).toEqual({ outcome: "mismatch", document: updated.document });
      expect(await documents.update(uuidv7(), { name: "C" }, "bob")).toEqual({ outcome: "missing" });
    });

    test("[store/documents] active users and edits move neither metadataVersion nor updatedAt", async () => {
      const { store } = subject();
      const { id } = newDocument();
      const created = await store.documents.create(newDocument({ id }));
      if (created.outcome !== "created") throw new Error("not created");
      await subject().pass(2);
      await store.documents.addActiveUser(id, "ann");
      await store.documents.addActiveUser(id, "ann");
      await store.documents.addActiveUser(id, "bob");
      await store.documents.removeActiveUser(id, "ann");
      await store.documents.removeActiveUser(id, "ann");
      await store.commit([batchAt(created.document, [operation(origin(), "e")])], { wait: true });
      const after = await store.documents.get(id);
      expect(after).toMatchObject({
        activeUsers: ["bob"],
        metadataVersion: 1,
        version: 1,
        updatedAt: created.document.updatedAt,
      });
      const { updatedAt } = created.document;
      const at = new Date(Date.parse(updatedAt) + 5_000).toISOString();
      await store.documents.touch([{ docId: id, by: "bob", at, metadataVersion: 1 }]);
      expect(await store.documents.get(id)).toMatchObject({
        updatedBy: "bob",
        updatedAt: at,
        metadataVersion: 1,
      });
      // What has moved further, by the content that was written, does not go back.
      await store.documents.touch([{ docId: id, by: "ann", at: updatedAt, metadataVersion: 1 }]);
      expect(await store.documents.get(id)).toMatchObject({ updatedBy: "ann", updatedAt: at });
    });

    test("[store/documents] an edit before a change of metadata does not hide who made that", async () => {
      const { store } = subject();
      const created = await store.documents.create(newDocument());
      if (created.outcome !== "created") throw new Error("id taken");
      const { docId } = created.document;
      await store.documents.update(docId, { name: "Renamed" }, "olga");
      const at = new Date(Date.now() + 60_000).toISOString();
      await store.documents.touch([{ docId, by: "bob", at, metadataVersion: 1 }]);
      expect(await store.documents.get(docId)).toMatchObject({ updatedBy: "olga", metadataVersion: 2 });
      expect((await store.documents.get(docId))?.updatedAt.localeCompare(at)).toBe(-1);
    });

    test("[store/documents] list filters, sorts, pages and counts", async () => {
      const { documents } = subject().store;
      const team = uuidv7();
      const make = (name: string, more = {}) =>
        documents.create(
          newDocument({ name, createdBy: "lena", properties: { team, at: { x: [1, 2] } }, ...more }),
        );
      await make("banana", { tags: ["t1"], description: "100% yellow" });
      await make("Apple", { type: "text", editors: ["kim"] });
      await make("cherry", { viewers: ["kim"], public: true });
      await make("Date", { createdBy: "max", public: true });
      const names = async (filter: Parameters<typeof documents.list>[0], limit = 50) =>
        (
          await documents.list({ properties: { team }, ...filter }, { by: "name", order: "asc" }, { limit })
        ).items.map(({ name }) => name);
      expect(await names({})).toEqual(["Apple", "banana", "cherry", "Date"]);
      expect(await names({ type: "text" })).toEqual(["Apple"]);
      expect(await names({ createdBy: "max" })).toEqual(["Date"]);
      expect(await names({ owner: "lena" })).toEqual(["Apple", "banana", "cherry"]);
      expect(await names({ user: "kim" })).toEqual(["Apple", "cherry"]);
      expect(await names({ tag: "t1" })).toEqual(["banana"]);
      expect(await names({ text: "AN" })).toEqual(["banana"]);
      expect(await names({ text: "100%" })).toEqual(["banana"]);
      expect(await names({ text: "1_0" })).toEqual([]);
      expect(await names({ public: true })).toEqual(["cherry", "Date"]);
      expect(await names({ properties: { team, at: { x: [2] } } })).toHaveLength(4);
      expect(await names({ properties: { team, at: { x: [3] } } })).toEqual([]);
      expect(await names({ state: "archived" })).toEqual([]);
      expect(await names({ readableBy: { user: "kim", docIds: [], editable: [] } })).toEqual([
        "Apple",
        "cherry",
      ]);
      expect(await names({ public: true, readableBy: { user: "kim", docIds: [], editable: [] } })).toEqual([
        "cherry",
        "Date",
      ]);
      expect(await documents.count({ properties: { team } })).toBe(4);
      const kim = await documents.list(
        { properties: { team }, user: "kim" },
        { by: "name", order: "asc" },
        { limit: 1 },
      );
      const [readable] = kim.items;
      expect(
        await names({ readableBy: { user: "nobody", docIds: [readable!.docId], editable: [] } }),
      ).toEqual(["Apple"]);

      for (const by of ["name", "createdAt", "updatedAt"] as const) {
        for (const order of ["asc", "desc"] as const) {
          const whole = (await documents.list({ properties: { team } }, { by, order }, { limit: 50 })).items;
          const paged = [];
          let cursor: string | null = null;
          do {
            const page = await documents.list(
              { properties: { team } },
              { by, order },
              { limit: 1, ...(cursor && { cursor }) },
            );
            paged.push(...page.items);
            cursor = page.nextCursor;
          } while (cursor !== null);
          expect(paged).toEqual(whole);
        }
      }
      await expect(
        documents.list({}, { by: "name", order: "asc" }, { limit: 1, cursor: "nonsense" }),
      ).rejects.toThrow(StoreRefused);
    });

    test("[store/documents] by active user", async () => {
      const { documents } = subject().store;
      const user = uuidv7();
      const { id } = newDocument();
      await documents.create(newDocument({ id }));
      await documents.addActiveUser(id, user);
      const page = await documents.list(
        { activeUser: user },
        { by: "updatedAt", order: "desc" },
        { limit: 10 },
      );
      expect(page.items.map(({ docId }) => docId)).toEqual([id]);
    });

    test("[store/documents] content moves forward only; updateVersion is a compare-and-set", async () => {
      const { store } = subject();
      const { documents } = store;
      const { id } = newDocument();
      const created = await documents.create(newDocument({ id }));
      if (created.outcome !== "created") throw new Error("not created");
      expect(await documents.readContent(id)).toBeUndefined();
      const [first, second] = [operation(origin(), "e"), operation(origin(), "f")];
      const at = (version: number, operationId: string | null) => ({ version, operationId });
      expect(await documents.writeContent(id, at(1, first.id), encode({}))).toBe(false); // beyond the version
      expect(await documents.writeContent(id, at(1, null), encode({}))).toBe(false);
      await store.commit([batchAt(created.document, [first, second])], { wait: true });
      // A room of another history, at the present version and before it.
      expect(await documents.writeContent(id, at(2, uuidv7()), encode({ lost: {} }))).toBe(false);
      expect(await documents.writeContent(id, at(1, second.id), encode({ lost: {} }))).toBe(false);
      expect(await documents.readContent(id)).toBeUndefined();
      expect(await documents.writeContent(id, at(1, first.id), encode({ e: {} }))).toBe(true);
      expect(await documents.writeContent(id, at(2, second.id), encode({ e: { x: 1 } }))).toBe(true);
      expect(await documents.writeContent(id, at(1, first.id), encode({}))).toBe(false);
      expect(await documents.writeContent(id, at(2, null), encode({}))).toBe(false);
      const content = await documents.readContent(id);
      expect(content?.version).toBe(2);
      expect(new TextDecoder().decode(content?.content)).toBe('{"e":{"x":1}}');

      expect(await documents.updateVersion(id, 1, 9, encode({}), "tool")).toBe(false);
      expect(await documents.updateVersion(id, 2, 9, encode({ g: {} }), "tool")).toBe(true);
      const loaded = await documents.load(id);
      expect(loaded).toMatchObject({
        document: { version: 9, operationId: null, updatedBy: "tool" },
        retainedFrom: 10,
        tail: [],
        snapshot: { whole: { version: 9, elements: ['"g":{}'], memory: [] }, changes: undefined },
      });
    });

    test("[store/documents] purge removes a document and all that belongs to it", async () => {
      const { store } = subject();
      const { id } = newDocument();
      const created = await store.documents.create(newDocument({ id }));
      if (created.outcome !== "created") throw new Error("not created");
      const one = operation(origin(), "e");
      await store.commit([batchAt(created.document, [one])], { wait: true });
      await store.snapshots.write(id, {
        version: 1,
        operationId: one.id,
        elements: ['"e":{}'],
        memory: ["m"],
      });
      expect(await store.documents.purge(id)).toBe(true);
      expect(await store.documents.purge(id)).toBe(false);
      expect(await store.documents.get(id)).toBeUndefined();
      expect(await store.operations.byVersion(id, 1, 9)).toEqual([]);
      expect(await store.snapshots.nearest(id, 9)).toBeUndefined();
      // Another life of that id: whoever has not heard of the purge must not take one for the other.
      const again = await store.documents.create(newDocument({ id }));
      if (again.outcome !== "created") throw new Error("not created");
      expect(again.document).toMatchObject({ version: 0, operationId: null });
      expect(again.document.metadataVersion).toBeGreaterThan(created.document.metadataVersion);
      const late = batchAt(created.document, [operation(origin(), "e")]);
      expect(await store.commit([late], { wait: true })).toMatchObject([
        { outcome: "changed", head: { metadataVersion: again.document.metadataVersion } },
      ]);
    });

    test("[store/documents] purge at a version leaves what has gone on since", async () => {
      const { documents } = subject().store;
      const created = await documents.create(newDocument());
      if (created.outcome !== "created") throw new Error("not created");
      const { docId } = created.document;
      await subject().store.commit([batchAt(created.document, [operation(origin(), "e")])], { wait: true });
      expect(await documents.purge(docId, { onlyAtVersion: 0 })).toBe(false);
      expect(await documents.get(docId)).toMatchObject({ version: 1, state: "active" });
      expect(await documents.purge(docId, { onlyAtVersion: 1 })).toBe(true);
      expect(await documents.get(docId)).toBeUndefined();
    });

    test("[store/documents] heads answers many documents and which operations they have", async () => {
      const { store } = subject();
      const { documents } = store;
      const a = await documents.create(newDocument());
      const b = await documents.create(newDocument());
      if (a.outcome !== "created" || b.outcome !== "created") throw new Error("not created");
      const by = origin("ann", "tab-1");
      const one = operation(by, "e");
      await store.commit([batchAt(a.document, [one])], { wait: true });
      const answers = await documents.heads([
        { docId: b.document.docId, ids: [one.id] },
        { docId: a.document.docId, ids: [one.id, uuidv7()] },
        { docId: uuidv7() },
      ]);
      expect(answers).toHaveLength(2);
      const of = (docId: string) => answers.find(({ head }) => head.docId === docId);
      expect(of(a.document.docId)).toEqual({
        head: {
          docId: a.document.docId,
          state: "active",
          version: 1,
          operationId: one.id,
          metadataVersion: 1,
          revision: 0,
        },
        retainedFrom: 1,
        known: [{ id: one.id, version: 1, user: "ann", client: "tab-1" }],
      });
      expect(of(b.document.docId)?.known).toEqual([]);
    });
  });
}
