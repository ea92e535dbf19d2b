import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { caller, jwtAuth, token, useInstance } from "../http/setup.ts";
import { rest } from "../instances/start.ts";

describe("REST of webhooks", () => {
  const running = useInstance("postgres", {
    ...jwtAuth,
    limits: { webhooksPerUser: 3, requestsPerSecond: 0 },
  });
  const ada = caller(running, "ada");
  const bob = caller(running, "bob");
  const hook = { url: "https://hooks.example.com/x", events: ["operations"] };

  test("[webhook-20] a webhook is its owner's alone; its secret is shown at creation and never again", async () => {
    const { status, body, headers } = await ada("POST", "/webhooks", {
      ...hook,
      secret: "a-secret-of-my-own",
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ ...hook, docId: null, active: true, secret: "a-secret-of-my-own" });
    expect(headers.get("location")).toBe(`/v1/webhooks/${body.id}`);
    const path = `/webhooks/${body.id}`;
    for (const answer of [
      await ada("GET", path),
      await ada("PATCH", path, { events: ["locks", "documents"] }),
    ]) {
      expect(answer.status).toBe(200);
      expect(JSON.stringify(answer.body)).not.toContain("a-secret-of-my-own");
    }
    expect((await ada("GET", "/webhooks")).body.items).toMatchObject([
      { id: body.id, events: ["locks", "documents"] },
    ]);
    expect((await bob("GET", "/webhooks")).body.items).toEqual([]);
    expect((await bob("GET", path)).status).toBe(404);
    expect((await bob("PATCH", path, { active: false })).status).toBe(404);
    expect((await bob("DELETE", path)).status).toBe(404);
    expect((await rest(running().url, undefined, "GET", "/webhooks")).status).toBe(401);
    expect((await ada("PATCH", path, { active: false })).body).toMatchObject({
      active: false,
      disabledAt: expect.any(String),
    });
    expect((await ada("DELETE", path)).status).toBe(204);
    expect((await ada("GET", path)).status).toBe(404);
    expect((await ada("GET", "/webhooks/none")).status).toBe(404);
  });

  test("[webhook-21] webhooksPerUser holds at it and one past, by user; the list pages", async () => {
    const carol = caller(running, "carol");
    for (let n = 0; n < 3; n++) expect((await carol("POST", "/webhooks", hook)).status).toBe(201);
    expect(await carol("POST", "/webhooks", hook)).toMatchObject({
      status: 429,
      body: { code: "too_many", details: { limit: "webhooksPerUser" } },
    });
    const first = (await carol("GET", "/webhooks?limit=2")).body;
    const second = (await carol("GET", `/webhooks?limit=2&cursor=${first.nextCursor}`)).body;
    expect(first.items).toHaveLength(2);
    expect(second).toMatchObject({ items: [{ url: hook.url }], nextCursor: null });
    await carol("DELETE", `/webhooks/${second.items[0].id}`);
    expect((await carol("POST", "/webhooks", hook)).status).toBe(201);
  });

  test("[webhook-22] one document's webhook needs a role by the document's own lists", async () => {
    const docId = (await ada("POST", "/documents", { name: "x", viewers: ["vic"] })).body.id;
    const of = (who: string) => caller(running, who)("POST", "/webhooks", { ...hook, docId });
    expect((await of("vic")).status).toBe(201);
    expect((await of("mallory")).status).toBe(404);
    const granted = await token("guest", { docs: { [docId]: "editor" } });
    expect(await rest(running().url, granted, "POST", "/webhooks", { ...hook, docId })).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
    expect((await ada("POST", "/webhooks", { ...hook, docId: uuidv7() })).status).toBe(404);
  });

  test.each([
    [{ events: [] }, "events"],
    [{ events: ["operations", "operations"] }, "events"],
    [{ events: ["everything"] }, "events.0"],
    [{ secret: "short" }, "secret"],
    [{ owner: "bob" }, "owner"],
    [{ url: "ftp://example.com" }, "url"],
    [{ url: "hooks.example.com" }, "url"],
    [{ url: "https://user:password@example.com/" }, "url"],
    [{ url: "http://127.0.0.1:8080/" }, "url"],
    [{ url: "http://localhost/" }, "url"],
    [{ url: "http://2130706433/" }, "url"],
    [{ url: "http://[::ffff:10.0.0.1]/" }, "url"],
    [{ url: "http://169.254.169.254/latest/meta-data" }, "url"],
  ])("[webhook-23] %j is refused, naming the field", async (change, path) => {
    const { status, body } = await bob("POST", "/webhooks", { ...hook, ...change });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: "invalid", errors: [{ path }] });
    const mine = await bob("POST", "/webhooks", hook);
    if ("url" in change) expect((await bob("PATCH", `/webhooks/${mine.body.id}`, change)).status).toBe(400);
    await bob("DELETE", `/webhooks/${mine.body.id}`);
  });
});
