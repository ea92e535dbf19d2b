import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/build.mjs", import.meta.url));
/** A project of empty folders, whose compilers write nothing but the file that the build looks for. */
let root: string;

beforeAll(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "aetherflow-build-"));
  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  };
  for (const folder of ["server", "shared", "client", "drizzle", "bench", "test/replay"])
    write(`${folder}/source.ts`, "");
  for (const folder of ["client-demo", "scripts/demo"]) write(`${folder}/source.ts`, "");
  for (const file of ["tsconfig.json", "tsconfig.build.json", "package-lock.json", "vite.config.ts"])
    write(file, "{}");
  const writing = (file: string) =>
    `const { mkdirSync, writeFileSync } = require("node:fs");
    mkdirSync(require("node:path").dirname("${file}"), { recursive: true });
    writeFileSync("${file}", "");`;
  write("node_modules/typescript/bin/tsc", writing("dist/server/main.js"));
  write("node_modules/vite/bin/vite.js", writing("dist/client-demo/index.html"));
  cpSync(script, path.join(root, "scripts", "build.mjs"));
});
afterAll(() => rmSync(root, { recursive: true }));

function build(): { code: number | null; out: string; err: string } {
  const args = [path.join(root, "scripts", "build.mjs"), "--if-stale"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  return { code: status, out: stdout, err: stderr };
}

test("[cli] without a terminal the build says once that it builds, and nothing when nothing is stale", () => {
  const says = { code: 0, out: "", err: "building, about a minute\n" };
  expect(build()).toEqual(says);
  expect(build()).toEqual({ ...says, err: "" });
  rmSync(path.join(root, "dist", "client-demo", "index.html"));
  expect(build()).toEqual(says);
});

test("[cli] without the dependencies the build says what to run first", () => {
  const says = { code: 1, out: "", err: "build: the dependencies are not installed: run npm ci first\n" };
  rmSync(path.join(root, "node_modules", "vite"), { recursive: true });
  expect(build()).toMatchObject({ code: 0 });
  rmSync(path.join(root, "dist", "client-demo", "index.html"));
  expect(build()).toEqual(says);
  rmSync(path.join(root, "node_modules"), { recursive: true });
  expect(build()).toEqual(says);
});
