import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { createTokens } from "../../server/access/tokens.ts";

const secret = "0123456789abcdef0123456789abcdef";
const documentId = "0197a3c2-7c1e-7a00-8000-000000000001";

afterEach(() => {
  vi.unstubAllEnvs();
});

test("[auth] the issuer of docs/authentication.md works as written", async () => {
  const text = await readFile(path.resolve(import.meta.dirname, "../../docs/authentication.md"), "utf8");
  const block = /<!-- test\/access runs this block -->\n```js\n([\s\S]*?)```/.exec(text)?.[1];
  const file = path.join(import.meta.dirname, `snippet-${process.pid}.mjs`);
  await writeFile(file, block ?? "");
  vi.stubEnv("AETHERFLOW_JWT_SECRET", secret);
  try {
    const { tokenFor } = (await import(file)) as {
      tokenFor(user: { id: string; name: string }, docs: { [id: string]: string }): Promise<string>;
    };
    const tokens = createTokens({
      auth: {
        mode: "jwt",
        key: { kind: "secret", secret },
        issuer: undefined,
        audience: undefined,
        allowedOrigins: [],
      },
      store: { secret: () => Promise.reject(new Error("the store is not asked")) },
      makeSecret: () => "",
      now: Date.now,
    });
    const token = await tokenFor({ id: "ada", name: "Ada" }, { [documentId]: "editor" });
    expect(await tokens.verify(token)).toMatchObject({
      ok: true,
      identity: { userId: "ada", name: "Ada", docs: new Map([[documentId, "editor"]]) },
    });
  } finally {
    await rm(file);
  }
});
