/** The examples of docs/sdk.md and docs/sdk-collaboration.md, run as they stand. */
import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, type MockInstance, test, vi } from "vitest";
import * as sdk from "../../client/index.ts";
import type { Instance } from "../../server/compose.ts";
import { startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let instance: Instance;
let log: MockInstance<typeof console.log>;

beforeAll(async () => {
  database = await createTestDatabase();
  instance = await startTestInstance(database.url);
});
afterAll(async () => {
  await instance?.close();
  await database?.drop();
});
beforeEach(() => {
  log = vi.spyOn(console, "log").mockImplementation(() => {});
});
afterEach(() => {
  log.mockRestore();
});

/** The `js` blocks of a page, one after the other, with the SDK in place of the package and the test's server. */
async function run<Result>(page: string, leastBlocks: number, returning = ""): Promise<Result> {
  const text = await readFile(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  const blocks = [...text.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1] ?? "");
  expect(blocks.length).toBeGreaterThanOrEqual(leastBlocks);
  const program = blocks
    .join("\n")
    .replaceAll(/import (\{.*\}) from "aetherflow-statesync\/client";/g, "const $1 = sdk;")
    .replace("http://127.0.0.1:9002", instance.url);
  expect(program).not.toMatch(/^import /m);
  const body = new Function("sdk", `return (async () => {${program}\n${returning}})()`) as (
    module: typeof sdk,
  ) => Promise<Result>;
  return body(sdk);
}

test("[docs/sdk] its examples run, one after the other, against a server", async () => {
  const { seen, version } = await run<{ seen: unknown; version: number }>(
    "sdk.md",
    6,
    "return { seen: board.get('note'), version };",
  );
  expect(seen).toEqual({
    x: 40,
    text: "Bye world",
    points: [
      [1, 2],
      [3, 4],
    ],
    colour: "red",
    seen: true,
  });
  // What is made in one task is folded: the creation, one more while offline, then what came of undo and redo.
  expect(version).toBe(3);
});

test("[docs/sdk-collaboration] its examples run, and print what their comments say", async () => {
  const { x, text } = await run<{ x: unknown; text: unknown }>(
    "sdk-collaboration.md",
    4,
    "return bobs.get('note');",
  );
  expect({ x, text }).toEqual({ x: 3, text: "Hello" });
  expect(log.mock.calls).toEqual([
    ["ada has it"],
    ["ada"],
    ["ada was faster"],
    ["Hello"],
    ["ada"],
    [["before the change"], []],
    ["invalid"],
  ]);
});
