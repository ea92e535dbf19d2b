import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { signatureOf } from "../../server/webhooks/post.ts";

test("[webhook-40] the receiver's check in docs/webhooks.md works as written", async () => {
  const text = await readFile(path.resolve(import.meta.dirname, "../../docs/webhooks.md"), "utf8");
  const block = /<!-- test\/webhooks runs this block -->\n```js\n([\s\S]*?)```/.exec(text)?.[1];
  const file = path.join(import.meta.dirname, `snippet-${process.pid}.mjs`);
  await writeFile(file, block ?? "");
  try {
    const { isGenuine } = (await import(file)) as {
      isGenuine(secret: string, header: string, body: string): boolean;
    };
    const seconds = Math.floor(Date.now() / 1_000);
    expect(isGenuine("secret", signatureOf("secret", "{}", seconds), "{}")).toBe(true);
    expect(isGenuine("secret", signatureOf("other", "{}", seconds), "{}")).toBe(false);
    expect(isGenuine("secret", signatureOf("secret", "{}", seconds), "{ }")).toBe(false);
    expect(isGenuine("secret", signatureOf("secret", "{}", seconds - 301), "{}")).toBe(false);
    expect(isGenuine("secret", "", "{}")).toBe(false);
  } finally {
    await rm(file);
  }
});
