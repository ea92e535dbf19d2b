/** The examples of docs/sdk.md, run as they stand. */
import { readFile } from "node:fs/promises";
import { expect, test, vi } from "vitest";
import * as sdk from "../../client/index.ts";
import { startTestInstance } from "../instances/start.ts";

test("[docs/sdk] its examples run, one after the other, against a server", async () => {
  const text = await readFile(new URL("../../docs/sdk.md", import.meta.url), "utf8");
  const blocks = [...text.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1] ?? "");
  expect(blocks.length).toBeGreaterThanOrEqual(6);
  const instance = await startTestInstance(undefined);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    const program = blocks
      .join("\n")
      .replace('import { openDocument } from "aetherflow-statesync/client";', "const { openDocument } = sdk;")
      .replace(/import \{ memoryStorage \} from .*/, "const { memoryStorage } = sdk;")
      .replace("http://127.0.0.1:9002", instance.url)
      .replace(
        "await board.close();",
        "const seen = board.get('note'); await board.close(); return { seen, version };",
      );
    const run = new Function("sdk", `return (async () => {${program}})()`) as (
      module: typeof sdk,
    ) => Promise<{ seen: unknown; version: number }>;
    const { seen, version } = await run(sdk);
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
  } finally {
    log.mockRestore();
    await instance.close();
  }
});
