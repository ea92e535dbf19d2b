import { describe, expect, test } from "vitest";
import { rest } from "../instances/start.ts";
import { caller, stores, token, useInstance } from "./setup.ts";

describe.each(stores)("lists of documents over the %s store", (store) => {
  const running = useInstance(store);
  const ada = caller(running, "ada");
  const bob = caller(running, "bob");
  const nobody = caller(running, undefined);
  const names = async (who: typeof ada, query: string) => {
    const { status, body } = await who("GET", `/documents?${query}`);
    expect(status, JSON.stringify(body)).toBe(200);
    return body.items.map((item: { name: string }) => item.name);
  };

  test("[rest/list] filters, sorts and pages over what the caller may read", async () => {
    for (const [name, fields] of [
      ["alpha", { type: "text", tags: ["red"], properties: { year: 2024, kind: "x" } }],
      ["beta", { type: "sheet", description: "All about Rivers", editors: ["bob"] }],
      ["gamma", { public: true, properties: { year: "2024" } }],
    ] as const) {
      expect((await ada("POST", "/documents", { name, ...fields })).status).toBe(201);
    }
    await bob("POST", "/documents", { name: "delta", viewers: ["ada"] });
    const archived = await ada("POST", "/documents", { name: "old" });
    await ada("PATCH", `/documents/${archived.body.id}`, { state: "archived" });

    expect(await names(ada, "sort=name")).toEqual(["alpha", "beta", "delta", "gamma"]);
    expect(await names(ada, "sort=name&order=desc")).toEqual(["gamma", "delta", "beta", "alpha"]);
    expect(await names(ada, "sort=createdAt&order=asc")).toEqual(["alpha", "beta", "gamma", "delta"]);
    expect(await names(ada, "sort=createdAt")).toEqual(["delta", "gamma", "beta", "alpha"]);
    expect(await names(ada, "state=archived")).toEqual(["old"]);
    expect(await names(ada, "type=sheet")).toEqual(["beta"]);
    expect(await names(ada, "tag=red")).toEqual(["alpha"]);
    expect(await names(ada, "q=rivers")).toEqual(["beta"]);
    expect(await names(ada, "owner=bob")).toEqual(["delta"]);
    expect(await names(ada, "createdBy=bob")).toEqual(["delta"]);
    expect(await names(ada, "user=bob&sort=name")).toEqual(["beta", "delta"]);
    expect(await names(ada, "property.year=2024")).toEqual(["alpha"]);
    expect(await names(ada, "property.year=%222024%22")).toEqual(["gamma"]);
    expect(await names(ada, "property.kind=x&property.year=2024")).toEqual(["alpha"]);
    expect(await names(ada, "property.__proto__=x")).toEqual([]);
    expect(await names(bob, "sort=name")).toEqual(["beta", "delta"]);
    expect(await names(bob, "public=true")).toEqual(["gamma"]);
    expect(await names(nobody, "public=true")).toEqual(["gamma"]);
    expect((await nobody("GET", "/documents")).status).toBe(401);

    const paged: string[] = [];
    let cursor = "";
    do {
      const { body } = await ada(
        "GET",
        `/documents?sort=name&limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`,
      );
      expect(body.items.length).toBeLessThanOrEqual(2);
      paged.push(...body.items.map((item: { name: string }) => item.name));
      cursor = body.nextCursor === null ? "" : encodeURIComponent(body.nextCursor);
    } while (cursor !== "");
    expect(paged).toEqual(["alpha", "beta", "delta", "gamma"]);
  });

  test("[rest/list] by user=, editors and viewers are found by who is shown the lists", async () => {
    const fields = { editors: ["eve"], viewers: ["vic"], public: true };
    const { body } = await ada("POST", "/documents", { name: "listed", ...fields });
    const vic = caller(running, "vic");
    const eve = caller(running, "eve");
    const claimed = (role: string) => token("guest", { docs: { [body.id]: role } });
    const asGuest = async (role: string, query: string) => {
      const answer = await rest<{ items: { name: string }[] }>(
        running().url,
        await claimed(role),
        "GET",
        `/documents?${query}`,
      );
      return answer.body.items.map(({ name }) => name);
    };
    for (const user of ["eve", "vic"]) {
      const query = `public=true&user=${user}`;
      const who = { owner: ada, editor: eve, viewer: vic, stranger: bob, nobody };
      const found = await Promise.all(
        Object.entries(who).map(async ([name, one]) => [name, await names(one, query)] as const),
      );
      const own = user === "vic" ? ["listed"] : [];
      expect(Object.fromEntries(found), user).toEqual({
        owner: ["listed"],
        editor: ["listed"],
        viewer: own,
        stranger: [],
        nobody: [],
      });
      expect(await asGuest("editor", `user=${user}`), user).toEqual(["listed"]);
      expect(await asGuest("viewer", `user=${user}`), user).toEqual([]);
    }
    // Who owns a document is shown to all who may read it.
    expect(await names(nobody, "public=true&user=ada&q=listed")).toEqual(["listed"]);
  });

  test("[rest/list] the owner, and nobody else, finds deleted documents by state=deleted", async () => {
    const { body } = await ada("POST", "/documents", { name: "gone", editors: ["bob"], public: true });
    await ada("DELETE", `/documents/${body.id}`);
    expect(await names(ada, "state=deleted")).toEqual(["gone"]);
    expect(await names(bob, "state=deleted")).toEqual([]);
    expect(await names(bob, "state=deleted&owner=ada")).toEqual([]);
    expect(await names(nobody, "state=deleted&public=true")).toEqual([]);
    expect(await names(ada, "q=gone")).toEqual([]);
  });

  test.each([
    "limit=0",
    "limit=201",
    "limit=x",
    "sort=id",
    "order=up",
    "type=x",
    "cursor=garbage",
    "public=maybe",
  ])("[rest/list] %s answers 400", async (query) => {
    expect(await ada("GET", `/documents?${query}`)).toMatchObject({ status: 400, body: { code: "invalid" } });
  });
});
