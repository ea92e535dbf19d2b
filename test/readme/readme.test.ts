import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
// In the package's own folder, where its name resolves to itself, as in a clone.
const example = path.join(root, `example-${process.pid}.mjs`);

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createTestDatabase();
  instance = await startTestInstance(database.url);
  const readme = await readFile(path.join(root, "README.md"), "utf8");
  const block = /<!-- test\/readme runs this block -->\n```js\n([\s\S]*?)```/.exec(readme)?.[1];
  if (block === undefined) throw new Error("README.md has no block to run");
  await writeFile(example, block);
});
afterAll(async () => {
  await rm(example, { force: true });
  await instance?.close();
  await database?.drop();
});

it("[readme-1] the ten lines run as written, also as the second of two", async () => {
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [example, ...args], { env: { ...process.env, URL: instance.url } });
  const first = await run();
  const documentId = /node example\.mjs (\S+)/.exec(first.stdout)?.[1];
  expect(first.stdout).toContain("local");
  expect(first.stdout).toContain("version 1;");
  expect(documentId).toMatch(/^[0-9a-f-]{36}$/);
  const second = await run(documentId ?? "");
  expect(second.stdout).toContain("version 2;");
  expect(first.stderr + second.stderr).toBe("");
});
