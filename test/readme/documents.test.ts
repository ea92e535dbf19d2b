/** What README.md, CONTRIBUTING.md and docs/ point at is there, and what they list is all there is. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { errorCodes } from "../../shared/protocol/codes.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const root = path.resolve(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(path.join(root, file), "utf8");
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(path.join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** As GitHub makes them of headings. */
const anchors = (file: string) =>
  [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );

describe.each(pages)("%s", (page) => {
  const text = read(page);
  const codes = [...text.replaceAll(/```.*?```/gs, "").matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);

  it("[docs-10] its links lead to a file, and to a heading of it", () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)\s]*)\)/g)].map(([, link = ""]) => link);
    const dead = links.filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? page : path.join(path.dirname(page), file);
      if (!existsSync(path.join(root, target))) return true;
      return anchor !== undefined && !anchors(target).includes(anchor);
    });
    expect(dead).toEqual([]);
  });

  it("[docs-11] the files and folders of the project that it names are there", () => {
    const folders = "server|shared|client|client-demo|drizzle|migrations|test|scripts|bench|deploy|docs";
    const paths = codes.filter((code) => new RegExp(`^(${folders})/[\\w./-]*$`).test(code));
    expect(paths.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
    // `submit.ts` beside a folder that the text has named before.
    const names = new Set(
      ["server", "shared", "client", "test", "bench"].flatMap((folder) =>
        readdirSync(path.join(root, folder), { recursive: true }).map((file) => path.basename(String(file))),
      ),
    );
    const bare = codes.filter((code) => /^[a-z-]+\.tsx?$/.test(code));
    expect(bare.filter((name) => !names.has(name))).toEqual([]);
  });

  it("[docs-12] the scripts and commands that it names exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const npm = [...text.matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, name = ""]) => name);
    expect(npm.filter((name) => !(name in scripts))).toEqual([]);
    const main = read("server/main.ts");
    const commands = [...text.matchAll(/(?:^|`|npx )aetherflow ([a-z]+)/gm)].map(([, name = ""]) => name);
    expect(commands.filter((name) => !main.includes(`  ${name}: {`))).toEqual([]);
  });
});

describe("the package", () => {
  it("[docs-19] has what README.md and docs/ link to, but for what only a clone has, and nothing that is not for it", async () => {
    const packing = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const { stdout } = await promisify(execFile)("npm", packing, { cwd: root, maxBuffer: 2 ** 24 });
    const [{ files } = { files: [] }] = JSON.parse(stdout) as { files: { path: string }[] }[];
    const packed = files.map((file) => file.path);
    const linked = pages
      .filter((page) => page !== "CONTRIBUTING.md")
      .flatMap((page) =>
        [...read(page).matchAll(/\]\((?!https?:|#)([^)\s#]*)/g)].map(([, link = ""]) =>
          path.join(path.dirname(page), link),
        ),
      );
    expect(linked).toContain("CHANGELOG.md");
    const absent = new Set(linked.filter((link) => !packed.some((file) => file.startsWith(link))));
    expect([...absent].sort()).toEqual(["CONTRIBUTING.md", "client-demo/binding/README.md"]);
    expect(packed.filter((file) => /_snapshot\.json$|secret\.yaml$/.test(file))).toEqual([]);
    expect(packed).toContain("migrations/meta/_journal.json");
  });
});

describe("docs/commands.md", () => {
  it("[docs-15] lists every command as the command line does, and no other; README.md leads to it", () => {
    const there = [...read("server/main.ts").matchAll(/^ {2}(\w+): \{\s+summary: "([^"]+)"/gm)];
    expect(there.length).toBeGreaterThanOrEqual(8);
    const told = [...read("docs/commands.md").matchAll(/^\| `(?:npx )?aetherflow (\w+)` \| ([^|]+) \|/gm)];
    const lines = (matches: RegExpMatchArray[]) => matches.map(([, name, does]) => `${name}: ${does}`);
    expect(lines(told)).toEqual(lines(there));
    expect(read("README.md")).toContain("(docs/commands.md)");
  });
});

describe("docs/rest.md", () => {
  const section = (heading: string) =>
    read("docs/rest.md")
      .split(/^## /m)
      .find((text) => text.startsWith(`${heading}\n`)) ?? "";
  let database: TestDatabase;
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    instance = await startTestInstance(database.url);
    folder = await mkdtemp(path.join(tmpdir(), "aetherflow-docs-"));
    await writeFile(path.join(folder, "picture.png"), Buffer.from("89504e470d0a1a0a", "hex"));
  });
  afterAll(async () => {
    await instance?.close();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it("[docs-13] lists every call that there is, and no other", async () => {
    const answer = await fetch(`${instance.url}/v1/openapi.json`);
    const { paths } = (await answer.json()) as { paths: Record<string, Record<string, unknown>> };
    const nameless = (route: string) => route.replace(/^\/v1/, "").replaceAll(/\{\w+\}/g, "{}");
    const there = Object.entries(paths)
      .filter(([route]) => route.startsWith("/v1/"))
      .flatMap(([route, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${nameless(route)}`),
      );
    const told = new Set<string>();
    for (const [, cell = ""] of read("docs/rest.md").matchAll(
      /^\| (`(?:GET|POST|PUT|PATCH|DELETE)[^|]*) \|/gm,
    )) {
      for (const [, methods = "", route = ""] of cell.matchAll(
        /((?:`?(?:GET|POST|PUT|PATCH|DELETE)`?\/?)+) (\/[^`?\s]*)/g,
      ))
        for (const [method] of methods.matchAll(/[A-Z]+/g)) told.add(`${method} ${nameless(route)}`);
    }
    expect([...told].sort()).toEqual(there.sort());
  });

  it("[docs-16] its table of errors has every code with its status, and no other", () => {
    const rows = [...section("Errors").matchAll(/^\| `(\w+)` \| (\d+) \|/gm)];
    const told = Object.fromEntries(rows.map(([, code = "", status]) => [code, Number(status)]));
    expect(told).toEqual(
      Object.fromEntries(Object.entries(errorCodes).map(([code, { http }]) => [code, http])),
    );
    expect(rows).toHaveLength(Object.keys(told).length);
  });

  it("[docs-17] its tables of filters have every parameter of the lists, and no other", async () => {
    const answer = await fetch(`${instance.url}/v1/openapi.json`);
    const { paths } = (await answer.json()) as {
      paths: Record<string, { get: { parameters: { name: string; in: string }[] } }>;
    };
    const filtersOf = (route: string) =>
      paths[route]?.get.parameters
        .filter((parameter) => parameter.in === "query" && !["limit", "cursor"].includes(parameter.name))
        .map(({ name }) => name) ?? [];
    const tables = section("Lists").split("| parameter |").slice(1);
    const [documents = [], operations = []] = tables.map((table) =>
      [...table.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell = ""]) =>
        [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
      ),
    );
    expect(documents.sort()).toEqual([...filtersOf("/v1/documents"), "property.NAME"].sort());
    expect(operations.sort()).toEqual(filtersOf("/v1/documents/{docId}/operations").sort());
  });

  it("[docs-18] the problem document that it shows is what a server answers", async () => {
    const shown = JSON.parse(/```json\n(.*?)```/s.exec(section("Errors"))?.[1] ?? "") as { status: number };
    const token = await devToken(instance.url, "eve");
    const { body } = await rest<{ id: string }>(instance.url, token, "POST", "/documents", { name: "plan" });
    const answer = await rest(instance.url, token, "PATCH", `/documents/${body.id}`, { nmae: "plan" });
    expect(answer).toMatchObject({ status: shown.status, body: shown });
    expect(Object.keys(answer.body)).toEqual(Object.keys(shown));
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
  });

  const missing = ["bash", "curl", "sha256sum"].filter(
    (tool) => !(process.env.PATH ?? "").split(":").some((each) => existsSync(path.join(each, tool))),
  );
  it.skipIf(missing.length > 0)(
    "[docs-14] its lines for the shell and those of docs/webhooks.md run",
    async () => {
      const blocks = ["docs/rest.md", "docs/webhooks.md"].flatMap((page) =>
        [...read(page).matchAll(/```bash\n(.*?)```/gs)].map(([, block = ""]) => block),
      );
      expect(blocks.length).toBeGreaterThanOrEqual(3);
      const script = blocks.join("\necho\n").replaceAll("http://127.0.0.1:9002", instance.url);
      const { stdout } = await promisify(execFile)(
        "bash",
        ["-euc", script.replaceAll("curl ", "curl --fail-with-body ")],
        {
          cwd: folder,
        },
      );
      expect(stdout).toContain('"versions":[2]');
      expect(stdout).toContain('"elements":{"note":{"x":2,"text":"hello"}}');
      expect(stdout).toContain('"secret"');
    },
  );
});
