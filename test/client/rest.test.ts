import { describe, expect, test } from "vitest";
import { documentRest, openDocument, RestError } from "../../client/index.ts";

interface Call {
  readonly method: string;
  readonly url: string;
  readonly token: string | null;
  readonly body: unknown;
}

function server(...answers: readonly { readonly status?: number; readonly body?: unknown }[]) {
  const calls: Call[] = [];
  const fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const headers = new Headers(init?.headers);
    calls.push({
      method: init?.method ?? "GET",
      url: String(url),
      token: headers.get("authorization"),
      body: init?.body === undefined ? undefined : JSON.parse(String(init.body)),
    });
    const { status = 200, body } = answers[calls.length - 1] ?? {};
    const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
    return new Response(text, { status });
  };
  return { calls, fetch };
}

const at = { url: "https://example.org/base/", documentId: "d 1" };
const root = "https://example.org/base/v1/documents/d%201";

describe("history over REST", () => {
  test("[sdk/rest] each call has the method, path and body of the protocol", async () => {
    const { calls, fetch } = server();
    const rest = documentRest({ ...at, token: "t", clientId: "c", fetch });
    await rest.contentAt();
    await rest.contentAt(7);
    await rest.operations();
    await rest.operations({ from: 3, to: 9, user: "ben", status: "applied", order: "desc", limit: 1 });
    await rest.versions({ limit: 10, cursor: "x&y" });
    await rest.nameVersion("draft", 3);
    await rest.deleteVersion("a/b");
    await rest.restore(3);
    await rest.revert({ from: 2, to: 4, user: "ben" });
    await rest.blame("note");
    await rest.conflict("c1");
    await rest.resolveConflict("c1", "incoming", 9);
    expect(calls.map(({ method, url, body }) => [method, url.slice(root.length), body])).toEqual([
      ["GET", "/content", undefined],
      ["GET", "/content?version=7", undefined],
      ["GET", "/operations", undefined],
      ["GET", "/operations?from=3&to=9&user=ben&status=applied&order=desc&limit=1", undefined],
      ["GET", "/versions?limit=10&cursor=x%26y", undefined],
      ["POST", "/versions", { name: "draft", version: 3 }],
      ["DELETE", "/versions/a%2Fb", undefined],
      ["POST", "/restore", { version: 3, clientId: "c" }],
      ["POST", "/revert", { from: 2, to: 4, user: "ben", clientId: "c" }],
      ["GET", "/blame?element=note", undefined],
      ["GET", "/conflicts/c1", undefined],
      ["POST", "/conflicts/c1/resolve", { choose: "incoming", base: 9, clientId: "c" }],
    ]);
    expect(calls.every(({ url, token }) => url.startsWith(root) && token === "Bearer t")).toBe(true);
  });

  test("[sdk/rest] what URLs resolve away is refused as a part of a path, and nothing is sent", async () => {
    const { calls, fetch } = server();
    const rest = documentRest({ ...at, fetch });
    for (const value of [".", "..", ""]) {
      const expected = `expected a non-empty text other than "." and "..", got "${value}"`;
      await expect(rest.deleteVersion(value)).rejects.toThrow(`name: ${expected}`);
      await expect(rest.conflict(value)).rejects.toThrow(`conflictId: ${expected}`);
      await expect(rest.resolveConflict(value, "current")).rejects.toThrow(`conflictId: ${expected}`);
      for (const open of [documentRest, openDocument])
        expect(() => open({ url: at.url, documentId: value })).toThrow(`documentId: ${expected}`);
    }
    await rest.deleteVersion("...");
    expect(calls.map(({ url }) => url.slice(root.length))).toEqual(["/versions/..."]);
  });

  test("[sdk/rest] of several addresses the next is tried where nothing answers; a write is sent once", async () => {
    const { calls, fetch } = server();
    let down = "a";
    const tried: string[] = [];
    const rest = documentRest({
      url: ["http://a.test", "ws://b.test/"],
      documentId: "d",
      fetch: async (url, init) => {
        const { hostname, pathname } = new URL(String(url));
        tried.push(`${init?.method} ${hostname}${pathname.replace("/v1/documents/d", "")}`);
        if (down.includes(hostname.charAt(0))) throw new TypeError("fetch failed");
        return fetch(url, init);
      },
    });
    // Which one lives is found by a read before.
    await rest.restore(1);
    expect(tried.splice(0)).toEqual(["GET a.test", "GET b.test", "POST b.test/restore"]);
    await rest.restore(1);
    expect(tried.splice(0)).toEqual(["POST b.test/restore"]);
    down = "b";
    await expect(rest.restore(1)).rejects.toThrow("fetch failed");
    expect(tried.splice(0)).toEqual(["POST b.test/restore"]);
    await rest.restore(1);
    expect(tried.splice(0)).toEqual(["GET a.test", "POST a.test/restore"]);
    down = "ab";
    await expect(rest.versions()).rejects.toThrow("fetch failed");
    expect(tried.splice(0)).toEqual(["GET a.test/versions", "GET b.test/versions"]);
    expect(calls.filter(({ method }) => method === "POST")).toHaveLength(3);
  });

  test("[sdk/rest] a list of conflicts is read to its end", async () => {
    const { calls, fetch } = server(
      { body: { items: [{ id: "1" }], nextCursor: "n" } },
      { body: { items: [{ id: "2" }], nextCursor: null } },
    );
    const all = await documentRest({ ...at, fetch }).conflicts({ state: "unresolved" });
    expect(all.map(({ id }) => id)).toEqual(["1", "2"]);
    expect(calls[1]?.url).toBe(`${root}/conflicts?state=unresolved&cursor=n&limit=200`);
    expect(calls[0]?.token).toBeNull();
  });

  test("[sdk/rest] problem documents become errors, whatever a proxy answers too", async () => {
    const errors = [{ path: "name", message: "too long" }];
    const problem = {
      type: "about:blank",
      title: "Invalid",
      status: 400,
      detail: "no",
      code: "invalid",
      errors,
    };
    const { fetch } = server({ status: 400, body: problem }, { status: 502, body: "<html>" });
    const rest = documentRest({ ...at, fetch });
    const error = await rest.nameVersion("x").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RestError);
    expect(error).toMatchObject({ message: "no", status: 400, code: "invalid", errors });
    await expect(rest.versions()).rejects.toMatchObject({ message: "HTTP 502", code: undefined, errors: [] });
  });

  test("[sdk/rest] an expired token is asked for once more", async () => {
    const { calls, fetch } = server(
      { status: 401 },
      { body: { version: 1, elements: {} } },
      { status: 401 },
      { status: 401 },
    );
    let asked = 0;
    const rest = documentRest({ ...at, getToken: () => `t${++asked}`, fetch });
    expect(await rest.contentAt()).toEqual({ version: 1, elements: {} });
    expect(calls.map(({ token }) => token)).toEqual(["Bearer t1", "Bearer t2"]);
    await expect(rest.contentAt()).rejects.toMatchObject({ status: 401 });
    expect(asked).toBe(4);
  });
});
