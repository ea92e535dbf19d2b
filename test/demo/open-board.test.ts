import "fake-indexeddb/auto";
import { SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Account } from "../../client-demo/app/account.ts";
import { type OpenBoard, openBoard } from "../../client-demo/board/open-board.ts";
import type { Instance } from "../../server/compose.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";

const serverFetch = globalThis.fetch;

/** The page's calls go to that server; `answer` takes their place where it gives one. */
function visit(url: string, answer: () => Promise<Response> | undefined = () => undefined): void {
  vi.stubGlobal("location", { origin: url });
  vi.stubGlobal("fetch", (path: string, init?: RequestInit) => {
    return answer() ?? serverFetch(new URL(path, url), init);
  });
}

async function makeBoard(url: string, token: string): Promise<string> {
  const fields = { name: "Plan", type: "whiteboard", public: true };
  return (await rest<{ id: string }>(url, token, "POST", "/documents", fields)).body.id;
}

/** Draws a box, and leaves when it is stored on both sides. */
async function drawBox({ board }: OpenBoard): Promise<void> {
  await board.ready;
  board.transact((tx) => tx.create("box", { type: "rectangle", x: 1 }));
  await board.whenSettled();
  await board.close();
}

describe("a board that is kept in this browser", () => {
  let instance: Instance;
  const opened: OpenBoard[] = [];
  const open = async (account: Account, id: string): Promise<OpenBoard> => {
    const next = await openBoard(account, id);
    opened.push(next);
    return next;
  };
  beforeAll(async () => {
    instance = await startTestInstance(undefined);
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(({ board }) => board.close()));
    vi.unstubAllGlobals();
  });
  afterAll(() => instance.close());

  it.each([
    ["hangs", () => new Promise<Response>(() => {})],
    ["is a proxy without one behind it", async () => new Response("bad gateway", { status: 502 })],
  ])("[demo/kept] opens while the server %s", async (_what, answer) => {
    visit(instance.url);
    const account = new Account();
    const id = await makeBoard(instance.url, await devToken(instance.url, "everybody"));
    await drawBox(await open(account, id));
    visit(instance.url, answer);
    const opening = open(account, id);
    const { board } = await waitFor(() => Promise.race([opening, undefined]), {
      what: "the board",
      timeoutMs: 2_000,
    });
    expect(board.get("box")).toEqual({ type: "rectangle", x: 1 });
  });

  it("[demo/kept] is not there for who never opened it, while the server refuses", async () => {
    visit(instance.url, async () => new Response("{}", { status: 503 }));
    await expect(open(new Account(), crypto.randomUUID())).rejects.toThrow("the server said 503");
  });

  it("[demo/restore] is restored by who has locked it", async () => {
    visit(instance.url);
    const id = await makeBoard(instance.url, await devToken(instance.url, "everybody"));
    const { board, rest: history } = await open(new Account(), id);
    await board.ready;
    await board.locks.acquire(null);
    board.transact((tx) => tx.create("box", { type: "rectangle", x: 1 }));
    await board.whenSettled();
    await history.restore(0);
    await waitFor(() => board.elements.size === 0, { what: "the empty board" });
    await board.locks.release(null);
  });

  it("[demo/token] asks for another token where the one that was brought has expired", async () => {
    const secret = "a secret of at least thirty-two characters";
    const auth = { mode: "jwt", key: { kind: "secret", secret } } as const;
    const strict = await startTestInstance(undefined, { auth });
    const token = (life: string): Promise<string> =>
      new SignJWT({})
        .setProtectedHeader({ alg: "HS256" })
        .setSubject("ada")
        .setExpirationTime(life)
        .sign(new TextEncoder().encode(secret));
    try {
      visit(strict.url);
      const account = new Account();
      account.paste(await token("1h"));
      const id = await makeBoard(strict.url, await token("1h"));
      await drawBox(await open(account, id));
      account.paste(await token("-1h"));
      const { board, tokenNeeded } = await open(account, id);
      expect(board.get("box")).toEqual({ type: "rectangle", x: 1 });
      expect((await tokenNeeded).message).toBe("The access token was refused.");
    } finally {
      await Promise.all(opened.splice(0).map(({ board }) => board.close()));
      await strict.close();
    }
  });
});
