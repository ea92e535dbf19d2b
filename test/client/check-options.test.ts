import { describe, expect, test } from "vitest";
import {
  ChangeError,
  type DocumentReplica,
  documentRest,
  openDocument,
  type Transaction,
} from "../../client/index.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

const fine = { url: "http://model", documentId: "d" };
const common: readonly (readonly [options: unknown, message: string])[] = [
  [undefined, "options: expected an object; got nothing"],
  [{}, "url: expected an address of the server, or an array of at least one; got nothing"],
  [{ ...fine, url: [] }, "url: expected an address of the server, or an array of at least one; got an array"],
  [{ ...fine, url: "localhost" }, 'url: expected an address like https://example.org, got "localhost"'],
  [{ ...fine, url: "ftp://x" }, 'url: expected an address of http, https, ws or wss, got "ftp://x"'],
  [{ url: "http://model" }, 'documentId: expected a non-empty text other than "." and "..", got undefined'],
  [{ ...fine, documentId: "" }, 'documentId: expected a non-empty text other than "." and "..", got ""'],
  [{ ...fine, token: 5 }, "token: expected a JWT, a text; got a value of type number"],
  [
    { ...fine, getToken: "secret" },
    "getToken: expected a function that returns a JWT; got a value of type string",
  ],
  [
    { ...fine, clientId: "x".repeat(256) },
    'clientId: expected a text of 1–255 characters, and not "server"; got a value of type string',
  ],
];
const ofOpening: readonly (readonly [options: unknown, message: string])[] = [
  [
    { ...fine, storage: {} },
    "storage: expected an object with the methods list, load, save, remove and claim; got a value of type object",
  ],
  [
    { ...fine, profile: { name: 5 } },
    "profile: expected { name?, color? }: texts of 1–255 and 1–64 characters; got a value of type object",
  ],
  [{ ...fine, onConflict: "merge" }, 'onConflict: expected "reject"; got a value of type string'],
  [
    { ...fine, onVersionConflict: "retry" },
    'onVersionConflict: expected "rebase", "drop" or a function; got a value of type string',
  ],
];

test("[sdk/options] a wrong option is named at once, with what was expected", () => {
  for (const [options, message] of common)
    expect(() => documentRest(options as typeof fine), message).toThrow(new TypeError(message));
  for (const [options, message] of [...common, ...ofOpening])
    expect(() => openDocument(options as typeof fine), message).toThrow(new TypeError(message));
});

describe("in an open document", () => {
  async function start(): Promise<{ board: DocumentReplica; world: World; server: ModelServer }> {
    const random = seededRandom(1);
    const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
    const world = new World(server, random);
    const { document } = world.join("ann");
    await world.drain();
    document.transact((tx) => tx.create("a", { x: 0 }));
    return { board: document, world, server };
  }

  test("[sdk/options] an event that there is not, and no listener, are refused", async () => {
    const { board } = await start();
    expect(() => board.on("chnage" as "change", () => {})).toThrow(
      /^on: expected one of change, progress, .*, error, got "chnage"$/,
    );
    expect(() => board.on("toString" as "change", () => {})).toThrow('got "toString"');
    expect(() => board.on("change", undefined as never)).toThrow(
      new TypeError('on("change"): expected a function to call; got nothing'),
    );
  });

  test("[sdk/change] a value that cannot be copied is a ChangeError that names its place", async () => {
    const { board } = await start();
    const writing = (value: unknown): (() => void) => {
      const change = (tx: Transaction): void => tx.update("a", { list: [value] as never });
      return () => board.transact(change);
    };
    for (const value of [() => 1, Symbol("s"), new Proxy({ f: () => 1 }, {})]) {
      expect(writing(value)).toThrow(ChangeError);
      expect(writing(value)).toThrow(
        expect.objectContaining({ code: "invalid_operation", path: expect.stringMatching(/^set\.list\.0/) }),
      );
    }
    expect(board.get("a")).toEqual({ x: 0 });
  });

  test("[sdk/change] a proxy of JSON is copied as what it stands for", async () => {
    const { board, world, server } = await start();
    const state = new Proxy({ deep: { list: [1, "é"] } }, {});
    board.transact((tx) => tx.update("a", { state: state as never }));
    state.deep.list.push(2);
    await world.drain();
    expect(server.elements.get("a")).toEqual({ x: 0, state: { deep: { list: [1, "é"] } } });
  });
});
