import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { applyOperation } from "../../shared/document/apply.ts";
import type { Elements } from "../../shared/document/json.ts";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import { join } from "../instances/raw-client.ts";
import { waitFor } from "../support/wait-for.ts";
import { caller, jwtAuth, stores, token, useInstance } from "./setup.ts";

const config = {
  snapshots: { everyOperations: 20, idleMs: 30_000 },
  limits: { requestsPerSecond: 0, opsPerSecond: 0 },
};

describe.each(stores)("the past of a document over the %s store", (store) => {
  const running = useInstance(store, { ...jwtAuth, ...config });
  const ada = caller(running, "ada");
  const bob = caller(running, "bob");
  const cy = caller(running, "cy");
  const nobody = caller(running, undefined);

  const create = async (fields: object = {}): Promise<string> =>
    (await ada("POST", "/documents", { name: "plan", editors: ["bob"], viewers: ["cy"], ...fields })).body.id;
  const make = (element: string, props: object = {}) => ({ id: uuidv7(), type: "create", element, props });
  const set = (element: string, props: object) => ({ id: uuidv7(), type: "update", element, set: props });
  const remove = (element: string) => ({ id: uuidv7(), type: "delete", element });
  const edit = async (by: typeof ada, id: string, ...ops: object[]) => {
    const answer = await by("POST", `/documents/${id}/operations`, { ops });
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    return answer.body.version as number;
  };
  const logOf = async (id: string): Promise<SequencedOperation[]> => {
    const log: SequencedOperation[] = [];
    for (let cursor = ""; ; ) {
      const { body } = await ada("GET", `/documents/${id}/operations?limit=200${cursor}`);
      log.push(...body.items);
      if (body.nextCursor === null) return log;
      cursor = `&cursor=${body.nextCursor}`;
    }
  };
  const replay = (log: readonly SequencedOperation[], version: number) => {
    const elements: Elements = new Map();
    for (const op of log) if (op.version <= version && op.status === "applied") applyOperation(elements, op);
    return Object.fromEntries(elements);
  };
  const content = async (id: string, version?: number) =>
    (await cy("GET", `/documents/${id}/content${version === undefined ? "" : `?version=${version}`}`)).body;

  describe("content at any version", () => {
    test("[history-1] every version reads as the replay of the log up to it, before and after snapshots", async () => {
      const id = await create();
      for (let step = 0; step < 25; step++)
        await edit(ada, id, make(`e${step}`, { n: step }), set(`e${step >> 1}`, { n: -step }));
      const log = await logOf(id);
      expect(log).toHaveLength(50);
      for (let version = 0; version <= 50; version++)
        expect(await content(id, version)).toEqual({ version, elements: replay(log, version) });
      expect(await content(id)).toEqual(await content(id, 50));
    });

    test("[history-1] ETag is the version asked for; 304 on the same; beyond 400, no version 400, without a role 404", async () => {
      const id = await create({ elements: { a: { x: 1 } } });
      await edit(ada, id, set("a", { x: 2 }));
      const old = await cy("GET", `/documents/${id}/content?version=1`);
      expect(old.headers.get("etag")).toBe('"1"');
      const same = await cy("GET", `/documents/${id}/content?version=1`, undefined, {
        "if-none-match": '"1"',
      });
      expect(same.status).toBe(304);
      expect(await cy("GET", `/documents/${id}/content?version=3`)).toMatchObject({
        status: 400,
        body: { code: "invalid", errors: [{ path: "version" }] },
      });
      for (const bad of ["-1", "x", "1.5", "9007199254740992"])
        expect((await cy("GET", `/documents/${id}/content?version=${bad}`)).status, bad).toBe(400);
      expect((await caller(running, "eve")("GET", `/documents/${id}/content?version=1`)).status).toBe(404);
      expect((await nobody("GET", `/documents/${id}/content?version=1`)).status).toBe(401);
    });
  });

  describe("named versions", () => {
    test("[history-2] editors name and unname, readers read; taken 409, beyond 400", async () => {
      const id = await create({ elements: { a: {}, b: {} } });
      const path = `/documents/${id}/versions`;
      const made = await bob("POST", path, { name: "before/after é😀", version: 1 });
      expect(made).toMatchObject({
        status: 201,
        body: { name: "before/after é😀", version: 1, createdBy: "bob", createdAt: expect.any(String) },
      });
      expect(Object.keys(made.body).sort()).toEqual(["createdAt", "createdBy", "name", "version"]);
      expect((await bob("POST", path, { name: "now" })).body).toMatchObject({ version: 2 });
      expect(await ada("POST", path, { name: "now" })).toMatchObject({
        status: 409,
        body: { code: "taken" },
      });
      expect(await ada("POST", path, { name: "x", version: 3 })).toMatchObject({
        status: 400,
        body: { code: "invalid", errors: [{ path: "version" }] },
      });
      expect(await cy("POST", path, { name: "x" })).toMatchObject({ status: 403 });
      expect(await nobody("POST", path, { name: "x" })).toMatchObject({ status: 401 });
      const list = await cy("GET", `${path}?limit=1`);
      expect(list.body).toMatchObject({ items: [made.body], nextCursor: expect.any(String) });
      const rest = await cy("GET", `${path}?limit=1&cursor=${list.body.nextCursor}`);
      expect(rest.body).toMatchObject({ items: [{ name: "now" }], nextCursor: null });
      const named = `${path}/${encodeURIComponent("before/after é😀")}`;
      expect((await cy("DELETE", named)).status).toBe(403);
      expect((await bob("DELETE", named)).status).toBe(204);
      expect((await bob("DELETE", named)).status).toBe(404);
      expect((await bob("DELETE", `${path}/%00`)).status).toBe(404);
    });

    test("[history-2] a name is 1–255 characters of storable text", async () => {
      const id = await create();
      const path = `/documents/${id}/versions`;
      const longest = "語".repeat(255);
      expect((await ada("POST", path, { name: longest })).status).toBe(201);
      expect((await ada("DELETE", `${path}/${encodeURIComponent(longest)}`)).status).toBe(204);
      for (const name of ["", "x".repeat(256), "a\u0000b", "\ud800", 3, undefined])
        expect((await ada("POST", path, { name })).status, String(name)).toBe(400);
      // DELETE …/versions/.. is a request to delete the document, for all who resolve it on the way.
      for (const name of [".", ".."])
        expect(await ada("POST", path, { name }), name).toMatchObject({
          status: 400,
          body: {
            code: "invalid",
            errors: [{ path: "name", message: 'expected a name other than "." and ".."' }],
          },
        });
      expect((await ada("POST", path, { name: "x", version: -1 })).status).toBe(400);
    });
  });

  describe("restore", () => {
    test("[history-3] an earlier content comes back as operations of the caller's, made by the server", async () => {
      const id = await create({ elements: { a: { x: 1, y: 1 }, b: { t: "é" } } });
      await edit(ada, id, set("a", { x: 2 }), remove("b"), make("c", { z: 1 }));
      const answer = await bob("POST", `/documents/${id}/restore`, { version: 2, clientId: "tab" });
      expect(answer).toMatchObject({
        status: 200,
        body: { version: 8, versions: [6, 7, 8], duplicate: false },
      });
      expect(answer.body.statuses).toEqual(["applied", "applied", "applied"]);
      expect((await content(id)).elements).toEqual((await content(id, 2)).elements);
      const written = (await logOf(id)).slice(5);
      expect(written.map(({ type, element }) => `${type} ${element}`)).toEqual([
        "delete c",
        "update a",
        "create b",
      ]);
      for (const op of written) expect(op).toMatchObject({ user: "bob", client: "server", base: 5 });
      // What is there already needs nothing.
      const again = await bob("POST", `/documents/${id}/restore`, { version: 2 });
      expect(again).toMatchObject({ status: 200, body: { version: 8, versions: [], statuses: [] } });
      expect(await bob("POST", `/documents/${id}/restore`, { version: 0 })).toMatchObject({ status: 200 });
      expect((await content(id)).elements).toEqual({});
    });

    test("[history-3] roles, state, versions and locks hold for it", async () => {
      const id = await create({ elements: { a: { x: 1 } } });
      await edit(ada, id, set("a", { x: 2 }));
      const path = `/documents/${id}/restore`;
      expect(await cy("POST", path, { version: 1 })).toMatchObject({ status: 403 });
      expect(await nobody("POST", path, { version: 1 })).toMatchObject({ status: 401 });
      expect(await bob("POST", path, { version: 3 })).toMatchObject({
        status: 400,
        body: { code: "invalid" },
      });
      expect(await bob("POST", path, {})).toMatchObject({ status: 400 });
      expect(await bob("POST", path, { version: 1, clientId: "server" })).toMatchObject({ status: 400 });
      await ada("PATCH", `/documents/${id}`, { state: "archived" });
      expect(await bob("POST", path, { version: 1 })).toMatchObject({
        status: 409,
        body: { code: "not_active" },
      });
    });

    test("[history-3] beside clients that edit all the time: whole, and exactly that content at its version", async () => {
      const id = await create({ elements: { a: { x: 0 }, b: { x: 0 } } });
      const clients = await Promise.all(
        ["ada", "bob"].map(async (user) =>
          join({
            url: running().url,
            docId: id,
            hello: { token: await token(user), clientId: `${user}-tab`, since: 0 },
          }),
        ),
      );
      let busy = true;
      const editing = clients.map(async (client, which) => {
        // Several under way, so that the restore shares its turn with edits before and behind it.
        const last: string[] = [];
        for (let seq = 1; busy; seq++) {
          const ops = [set(which === 0 ? "a" : "b", { x: seq }), make(`${which}-${seq}`)];
          client.send({ type: "submit", seq, base: client.operations.at(-1)?.version ?? 2, ops });
          last.push(ops[1]!.id);
          if (last.length > 8) await client.sequenced(last.shift()!);
        }
        await client.sequenced(last.at(-1)!);
      });
      await waitFor(() => clients[0]!.operations.length > 50);
      for (let round = 0; round < 5; round++) {
        const { status, body } = await ada("POST", `/documents/${id}/restore`, { version: 2 });
        expect(status, JSON.stringify(body)).toBe(200);
        expect(body.versions.length).toBeGreaterThan(0);
        expect(body.versions.at(-1) - body.versions[0]).toBe(body.versions.length - 1);
        expect(await content(id, body.version)).toMatchObject({ elements: { a: { x: 0 }, b: { x: 0 } } });
        expect(Object.keys((await content(id, body.version)).elements)).toHaveLength(2);
      }
      busy = false;
      await Promise.all(editing);
      for (const client of clients) await client.close();
    });
  });

  describe("revert", () => {
    test("[history-4] one user's operations are undone where nobody else wrote since", async () => {
      const id = await create({ elements: { a: { x: 1, y: 1 }, b: { x: 1 } } });
      await edit(ada, id, set("a", { x: 2, y: 2 }), set("b", { x: 2 }), make("c"));
      await edit(bob, id, set("a", { y: 3 }), remove("b"));
      const answer = await ada("POST", `/documents/${id}/revert`, { from: 3, to: 7, user: "ada" });
      expect(answer).toMatchObject({ status: 200, body: { versions: [8, 9], version: 9 } });
      expect((await content(id)).elements).toEqual({ a: { x: 1, y: 3 } });
      // Undone in turn, by the versions of the undoing.
      await ada("POST", `/documents/${id}/revert`, { from: 8, to: 9 });
      expect((await content(id)).elements).toEqual({ a: { x: 2, y: 3 }, c: {} });
      const everything = await ada("POST", `/documents/${id}/revert`, { from: 1, to: 11 });
      expect(everything.status).toBe(200);
      expect((await content(id)).elements).toEqual({});
    });

    test("[history-4] by client; nothing to undo is no edit; what is wrong is told", async () => {
      const id = await create({ elements: { a: { x: 1 } } });
      await ada("POST", `/documents/${id}/operations`, { ops: [set("a", { x: 2 })], clientId: "tab" });
      const path = `/documents/${id}/revert`;
      expect((await ada("POST", path, { from: 1, to: 2, client: "other" })).body).toMatchObject({
        version: 2,
        versions: [],
      });
      expect((await ada("POST", path, { from: 1, to: 2, client: "tab" })).body).toMatchObject({
        versions: [3],
      });
      expect((await content(id)).elements).toEqual({ a: { x: 1 } });
      expect(await cy("POST", path, { from: 1, to: 2 })).toMatchObject({ status: 403 });
      for (const body of [
        { from: 1, to: 4 },
        { from: 2, to: 1 },
        { from: 0, to: 1 },
        { from: 9, to: 9 },
        { from: 1 },
      ])
        expect(await ada("POST", path, body), JSON.stringify(body)).toMatchObject({
          status: 400,
          body: { code: "invalid" },
        });
    });
  });

  describe("blame", () => {
    test("[history-5] each property's last write as a replay of the log finds it, through snapshots", async () => {
      const id = await create({ elements: { a: { x: 1, list: [] }, b: { t: "one" } } });
      for (let step = 0; step < 30; step++) {
        await edit(
          step % 2 === 0 ? ada : bob,
          id,
          set(step % 3 === 0 ? "a" : "b", { [`p${step % 4}`]: step, x: step }),
          ...(step % 7 === 0
            ? [{ id: uuidv7(), type: "update", element: "a", append: { list: [step] } }]
            : []),
          ...(step === 20 ? [remove("b"), make("b", { t: "two" })] : []),
          ...(step === 25
            ? [{ id: uuidv7(), type: "text", element: "b", splice: { t: [[0, 0, "!"]] } }]
            : []),
          ...(step === 28 ? [{ id: uuidv7(), type: "update", element: "a", unset: ["p0"] }] : []),
        );
      }
      const log = await logOf(id);
      const { body, status } = await cy("GET", `/documents/${id}/blame`);
      expect(status).toBe(200);
      expect(body).toEqual({ version: log.length, elements: lastWrites(log) });
      const one = await cy("GET", `/documents/${id}/blame?element=b`);
      expect(one.body).toEqual({ version: log.length, elements: { b: body.elements.b } });
      expect((await cy("GET", `/documents/${id}/blame?element=zz`)).body.elements).toEqual({});
      expect((await cy("GET", `/documents/${id}/blame?element=a%20b`)).status).toBe(400);
      expect((await nobody("GET", `/documents/${id}/blame`)).status).toBe(401);
    });
  });

  describe("the log's filters", () => {
    test("[history-6] each filter alone, together, in both orders and in pages", async () => {
      const id = await create({ elements: { a: { x: 1 }, b: {} } });
      await edit(bob, id, { id: uuidv7(), type: "move", element: "a", set: { x: 2 } });
      await edit(ada, id, remove("b"));
      await edit(bob, id, { id: uuidv7(), type: "style", element: "a", set: { c: 1 } });
      const log = await logOf(id);
      const get = async (query: string) =>
        (await cy("GET", `/documents/${id}/operations?${query}`)).body.items.map(
          ({ version }: { version: number }) => version,
        );
      expect(await get("from=2&to=4")).toEqual([2, 3, 4]);
      expect(await get("user=bob")).toEqual([3, 5]);
      expect(await get("type=create")).toEqual([1, 2]);
      expect(await get("element=b")).toEqual([2, 4]);
      expect(await get("status=applied")).toHaveLength(5);
      expect(await get("status=conflict")).toEqual([]);
      const at = log[2]!.at;
      expect(await get(`fromTime=${at}`)).toEqual(
        log.filter((op) => op.at >= at).map(({ version }) => version),
      );
      expect(await get(`toTime=${at}`)).toEqual(
        log.filter((op) => op.at <= at).map(({ version }) => version),
      );
      const offset = encodeURIComponent(at.replace("Z", "+00:00"));
      expect(await get(`fromTime=${offset}&toTime=${offset}`)).toContain(3);
      expect(await get("user=bob&element=a&type=style&order=desc")).toEqual([5]);
      expect(await get("order=desc")).toEqual([5, 4, 3, 2, 1]);
      const page = await cy("GET", `/documents/${id}/operations?order=desc&limit=2&user=bob`);
      expect(page.body.nextCursor).toBeNull();
      const first = await cy("GET", `/documents/${id}/operations?order=desc&limit=2`);
      const next = await cy(
        "GET",
        `/documents/${id}/operations?order=desc&limit=2&cursor=${first.body.nextCursor}`,
      );
      expect(next.body.items.map(({ version }: { version: number }) => version)).toEqual([3, 2]);
      for (const bad of [
        "status=pending",
        "type=x",
        "from=-1",
        "fromTime=monday",
        "order=up",
        "element=a%20b",
      ])
        expect((await cy("GET", `/documents/${id}/operations?${bad}`)).status, bad).toBe(400);
    });
  });
});

/** Who wrote last what is there now, from the log alone. */
function lastWrites(log: readonly SequencedOperation[]) {
  const elements: Elements = new Map();
  const writes = new Map<string, Map<string, object>>();
  for (const op of log) {
    if (op.status !== "applied") continue;
    const { version, user, client, at, element } = op;
    const before = elements.get(element);
    applyOperation(elements, op);
    const now = elements.get(element) ?? {};
    const names =
      op.type === "create" || op.type === "delete"
        ? Object.keys(now)
        : [op.set, op.append, op.splice].flatMap((fields) => Object.keys(fields ?? {}));
    const known =
      op.type === "create" || before === undefined ? new Map() : (writes.get(element) ?? new Map());
    for (const name of names) known.set(name, { version, user, client, at });
    for (const name of [...known.keys()]) if (!(name in now)) known.delete(name);
    writes.set(element, known);
  }
  return Object.fromEntries(
    [...elements.keys()].map((element) => [element, Object.fromEntries(writes.get(element) ?? [])]),
  );
}
