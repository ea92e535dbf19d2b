import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { jwtAuth } from "../http/setup.ts";
import { startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
// In the package's own folder, where its name resolves to itself, as in a clone.
const example = path.join(root, `example-${process.pid}.mjs`);

let lines: string | undefined;
let more: string | undefined;
let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createTestDatabase();
  instance = await startTestInstance(database.url);
  const readme = await readFile(path.join(root, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/<!-- test\/readme runs this block -->\n```js\n([\s\S]*?)```/g)];
  [lines, more] = blocks.map((match) => match[1] ?? "");
  if (lines === undefined || more === undefined) throw new Error("README.md has no blocks to run");
});
afterAll(async () => {
  await rm(example, { force: true });
  await instance?.close();
  await database?.drop();
});

async function run(program: string, url = instance.url, ...args: string[]): Promise<string> {
  await writeFile(example, program);
  const env = { ...process.env, URL: url };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [example, ...args], { env });
  expect(stderr).toBe("");
  return stdout;
}

it("[readme-1] the first program runs as written, and a second one shows what the first left", async () => {
  const first = await run(lines ?? "");
  const documentId = /node example\.mjs (\S+)/.exec(first)?.[1];
  expect(first).toContain("local");
  expect(first).toContain("version 1;");
  expect(documentId).toMatch(/^[0-9a-f-]{36}$/);
  const shape = /shape-\d+/.exec(first)?.[0];
  const second = await run(lines ?? "", instance.url, documentId ?? "");
  expect(second).toContain(`already there: [ '${shape}' ]`);
  expect(second).toContain("version 2;");
});

it("[readme-3] where tokens are issued elsewhere, it ends with the reason", async () => {
  const jwt = await startTestInstance(undefined, jwtAuth);
  try {
    await expect(run(lines ?? "", jwt.url)).rejects.toThrow(
      "Error: /v1/dev/token: only in development mode; see docs/authentication.md",
    );
  } finally {
    await jwt.close();
  }
});

it("[readme-2] so do the lines for the rest, put where it says", async () => {
  const close = "await board.close();";
  expect(lines).toContain(close);
  const shown = await run((lines ?? "").replace(close, `${more}\n${close}`));
  expect(shown.trim().split("\n").at(-1)).toBe("ada");
});
