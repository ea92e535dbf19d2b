import { readFile } from "node:fs/promises";
import path from "node:path";
import vm from "node:vm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const origin = "http://127.0.0.1:9002";
const source = await readFile(path.resolve(import.meta.dirname, "../../client-demo/public/sw.js"), "utf8");

type Answer = () => Promise<Response>;

/** The page's worker, with a cache of its own and a server that answers as it is told. */
class Worker {
  answer: Answer = async () => new Response(null, { status: 404 });
  readonly #kept = new Map<string, Response>();
  readonly #listeners = new Map<string, (event: object) => void>();

  constructor() {
    const urlOf = (asked: string | Request) =>
      new URL(typeof asked === "string" ? asked : asked.url, origin).href;
    const cache = {
      match: async (asked: string | Request) => this.#kept.get(urlOf(asked))?.clone(),
      put: async (asked: string | Request, response: Response) => void this.#kept.set(urlOf(asked), response),
      delete: async (asked: string | Request) => this.#kept.delete(urlOf(asked)),
      keys: async () => [...this.#kept.keys()].map((url) => ({ url })),
    };
    const self = {
      location: { origin },
      addEventListener: (name: string, listener: (event: object) => void) =>
        void this.#listeners.set(name, listener),
    };
    const fetch = (_: unknown, { signal }: { signal?: AbortSignal } = {}): Promise<Response> =>
      Promise.race([
        this.answer(),
        new Promise<never>((_resolve, reject) =>
          signal?.addEventListener("abort", () => reject(signal.reason)),
        ),
      ]);
    const caches = { open: async () => cache };
    vm.runInNewContext(source, { self, caches, fetch, URL, AbortController, setTimeout, clearTimeout });
  }

  /** What the page gets. */
  async get(pathname: string): Promise<string> {
    const request = {
      url: `${origin}${pathname}`,
      method: "GET",
      mode: pathname === "/" ? "navigate" : "cors",
    };
    let answer: Promise<Response> | undefined;
    this.#listeners.get("fetch")?.({ request, respondWith: (given: Promise<Response>) => (answer = given) });
    const response = await answer;
    return response === undefined ? "not answered" : `${response.status} ${await response.text()}`;
  }

  /** The page, and a file, are got from the server. */
  async visit(page: string, ...files: readonly string[]): Promise<void> {
    this.answer = async () => new Response(page);
    await this.get("/");
    for (const file of files) await this.get(file);
  }

  get kept(): string[] {
    return [...this.#kept.keys()].map((url) => new URL(url).pathname).sort();
  }
}

describe("the worker that keeps the page", () => {
  let worker: Worker;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    worker = new Worker();
  });
  afterEach(() => void vi.useRealTimers());

  const failures: [string, Answer][] = [
    ["cannot be reached", () => Promise.reject(new TypeError("Failed to fetch"))],
    ["is a proxy without one behind it", async () => new Response("bad gateway", { status: 502 })],
    ["hangs", () => new Promise(() => {})],
  ];
  it.each(failures)("[demo/shell] gives the page that it kept when the server %s", async (_, answer) => {
    await worker.visit("the page");
    worker.answer = answer;
    const got = worker.get("/");
    await vi.advanceTimersByTimeAsync(4_000);
    expect(await got).toBe("200 the page");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("[demo/shell] passes on what the server says otherwise, and without a page of its own all of it", async () => {
    worker.answer = async () => new Response("bad gateway", { status: 502 });
    expect(await worker.get("/")).toBe("502 bad gateway");
    await worker.visit("the page");
    worker.answer = async () => new Response("not here", { status: 404 });
    expect(await worker.get("/")).toBe("404 not here");
    worker.answer = async () => new Response("a new page");
    expect(await worker.get("/")).toBe("200 a new page");
  });

  it("[demo/shell] with a new page the files of the last one go; the same page leaves them", async () => {
    const page = `<script src="/assets/index-1.js"></script>`;
    await worker.visit(page, "/assets/index-1.js", "/assets/common-1.js");
    await worker.visit(page);
    expect(worker.kept).toEqual(["/", "/assets/common-1.js", "/assets/index-1.js"]);
    const next = `<script src="/assets/index-2.js"></script><link href="/assets/common-1.js">`;
    await worker.visit(next, "/assets/index-2.js");
    expect(worker.kept).toEqual(["/", "/assets/common-1.js", "/assets/index-2.js"]);
  });
});
