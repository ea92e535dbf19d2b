import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { signatureOf } from "../../server/webhooks/post.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

const page = path.resolve(import.meta.dirname, "../../docs/webhooks.md");

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

const missing = ["bash", "curl"].filter(
  (tool) => !(process.env.PATH ?? "").split(":").some((each) => existsSync(path.join(each, tool))),
);
test.skipIf(missing.length > 0)(
  "[webhook-42] the receiver in docs/webhooks.md gets what the lines for the shell register",
  async () => {
    const text = await readFile(page, "utf8");
    const [register = ""] = [...text.matchAll(/```bash\n(.*?)```/gs)].map(([, block = ""]) => block);
    const [check = "", receive = ""] = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, block = ""]) => block);
    const port = String(await freePort());
    const database = await createTestDatabase();
    const instance = await startTestInstance(database.url, { webhooks: { firstRetryMs: 50, pollMs: 30 } });
    const folder = await mkdtemp(path.join(tmpdir(), "aetherflow-hook-"));
    const replaced = (block: string) =>
      block.replaceAll("http://127.0.0.1:9002", instance.url).replaceAll("9100", port);
    await writeFile(path.join(folder, "receiver.mjs"), replaced(`${check}\n${receive}`));
    const shell = spawn("bash", ["-euc", `${replaced(register)}\nexec node receiver.mjs`], { cwd: folder });
    const ended = new Promise((resolve) => shell.on("exit", resolve));
    let told = "";
    shell.stdout.on("data", (data) => {
      told += String(data);
    });
    try {
      await waitFor(() => told.includes('"secret":"whsec_'), { timeoutMs: 20_000 });
      await rest(instance.url, await devToken(instance.url, "ada"), "POST", "/documents", { name: "plan" });
      await waitFor(() => /type: 'documents'/.test(told), { timeoutMs: 20_000 });
    } finally {
      shell.kill();
      await ended;
      await instance.close();
      await database.drop();
      await rm(folder, { recursive: true });
    }
  },
);

test("[webhook-40] the receiver's check in docs/webhooks.md works as written", async () => {
  const text = await readFile(page, "utf8");
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
