import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import {
  ConfigError,
  configKeys,
  configSources,
  configWarnings,
  databaseUrl,
  type Environment,
  type Flags,
  formatDuration,
  loadConfig,
  parseDuration,
  unknownVariables,
} from "../../server/config.ts";

const dir = mkdtempSync(path.join(os.tmpdir(), "aetherflow-config-"));
afterAll(() => rmSync(dir, { recursive: true }));

let files = 0;
function file(text: string): string {
  const name = path.join(dir, `config-${files++}.yaml`);
  writeFileSync(name, text);
  return name;
}
const load = (flags: Flags = {}, env: Environment = {}) => loadConfig({ flags, env });
function problems(flags: Flags, env: Environment = {}): readonly string[] {
  try {
    load(flags, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

describe("precedence", () => {
  test("[config] file, then environment, then flags, in rising order", () => {
    const config = file(
      "server: { host: 127.0.0.2, port: 1001 }\nlog: { level: debug }\nlimits: { maxElements: 7 }\n",
    );
    expect(load({ config })).toMatchObject({
      server: { host: "127.0.0.2", port: 1001 },
      log: { level: "debug" },
    });
    const env = { AETHERFLOW_CONFIG: config, PORT: "1002", LOG_LEVEL: "warn" };
    expect(load({}, env)).toMatchObject({
      server: { host: "127.0.0.2", port: 1002 },
      log: { level: "warn" },
    });
    expect(load({ port: "1003" }, env)).toMatchObject({
      server: { port: 1003 },
      log: { level: "warn" },
      limits: { maxElements: 7 },
    });
  });

  test("[config] a stronger source replaces which kind of key tokens are verified with", () => {
    const config = file("auth: { jwksUrl: 'https://a.example/jwks' }");
    expect(load({ config }).auth).toMatchObject({
      mode: "jwt",
      key: { kind: "jwks", algorithms: ["RS256", "ES256", "EdDSA"] },
    });
    expect(load({ config }, { AETHERFLOW_JWT_SECRET: "s" }).auth).toMatchObject({
      mode: "jwt",
      key: { kind: "secret", secret: "s" },
    });
    const secretFile = file("from the file\n");
    expect(
      load({ config, "jwt-secret-file": secretFile }, { AETHERFLOW_JWT_SECRET: "s" }).auth,
    ).toMatchObject({
      key: { kind: "secret", secret: "from the file" },
    });
  });

  test("[config] AETHERFLOW_SECTION_KEY works for every key; a documented name of another form wins", () => {
    const env = { AETHERFLOW_SERVER_PORT: "1001", AETHERFLOW_SERVER_HOST: "127.0.0.2" };
    expect(load({}, env).server).toMatchObject({ host: "127.0.0.2", port: 1001 });
    expect(load({}, { ...env, PORT: "1002", HOST: "" }).server).toMatchObject({
      host: "127.0.0.2",
      port: 1002,
    });
    expect(problems({}, { AETHERFLOW_SERVER_PORT: "x" })).toEqual([
      expect.stringMatching(/^AETHERFLOW_SERVER_PORT \(server\.port\): /),
    ]);
    const names = configSources().map(({ env, alias }) => alias ?? env);
    for (const name of names) expect(name).toMatch(/^AETHERFLOW_[A-Z]+_/);
    expect(unknownVariables(Object.fromEntries(names.map((name) => [name, "1"])))).toEqual([]);
    expect(load({}, { AETHERFLOW_AUTH_JWT_SECRET: "s" }).auth.mode).toBe("jwt");
  });

  test("[config] what Kubernetes sets for a service of that name is no configuration", () => {
    const links = {
      AETHERFLOW_SERVER_PORT: "tcp://10.0.0.1:9002",
      AETHERFLOW_SERVER_SERVICE_HOST: "10.0.0.1",
      AETHERFLOW_SERVER_SERVICE_PORT_HTTP: "9002",
      AETHERFLOW_SERVER_PORT_9002_TCP_ADDR: "10.0.0.1",
      AETHERFLOW_PORT: "tcp://10.0.0.1:9002",
    };
    expect(load({}, links).server.port).toBe(9002);
    expect(unknownVariables(links)).toEqual([]);
  });

  test.each([
    ["AETHERFLOW_SERVER_PROT", "is AETHERFLOW_SERVER_PORT meant?"],
    ["AETHERFLOW_DATABASE_URL", "is DATABASE_URL meant?"],
    ["AETHERFLOW_INSTANCE", "is AETHERFLOW_INSTANCES meant?"],
    ["AETHERFLOW_LIMITS_MAX_ELEMENT", "is AETHERFLOW_LIMITS_MAX_ELEMENTS meant?"],
    ["AETHERFLOW_BOGUS", "docs/configuration.md lists them"],
  ])("[config] nothing reads %s: a warning says so, with the nearest name", (name, hint) => {
    const message = `no key has this variable, it is not read; ${hint}`;
    expect(unknownVariables({ [name]: "1", OTHER: "1", AETHERFLOW_CONFIG: "x" })).toEqual([
      { name, message },
    ]);
    expect(unknownVariables({ [name]: "" })).toEqual([]);
  });

  test("[config] a shared secret below 32 bytes is accepted with a warning", () => {
    const warned = (secret: string) => {
      const env = { AETHERFLOW_JWT_SECRET: secret };
      return configWarnings(load({}, env), env).map(({ name, message }) => `${name}: ${message}`);
    };
    expect(warned("x".repeat(32))).toEqual([]);
    expect(warned("x".repeat(31))).toEqual([
      expect.stringMatching(/^auth\.jwtSecret: shorter than 32 bytes/),
    ]);
    expect(configWarnings(load(), {})).toEqual([]);
  });

  test("[config] a flag that may be repeated takes commas too", () => {
    const [a, b, c] = ["https://a.example", "https://b.example", "http://c.example:8080"];
    for (const given of [[a, b, c], [`${a},${b}`, c], [`${a}, ${b},${c}`]])
      expect(load({ "allowed-origin": given as string[] }).auth.allowedOrigins).toEqual([a, b, c]);
  });

  test("[config] yes, on and 1 are true, no, off and 0 false, in any case", () => {
    for (const [word, value] of Object.entries({
      yes: true,
      On: true,
      1: true,
      NO: false,
      off: false,
      0: false,
    }))
      expect(load({}, { AETHERFLOW_SERVER_DEMO: word }).server.demo, word).toBe(value);
  });

  test("[config] an empty variable is one that is not set", () => {
    expect(load({}, { PORT: "", DATABASE_URL: "", AETHERFLOW_CONFIG: "" }).server.port).toBe(9002);
  });

  test("[config] the contract's file is read whole", () => {
    const config = file(`
server:   { host: 0.0.0.0, port: 9002 }
store:
  type: postgres
  postgres: { host: db, port: 5433, user: u, password: "p@ss/word", dbName: d, sslMode: require, maxOpenConns: 25, maxIdleConns: 5 }
manager:  { lockTimeout: 30s, cleanupInterval: 5m, autoResolveConflicts: true }
auth:     { mode: dev }
`);
    const loaded = load({ config });
    expect(loaded.manager).toEqual({
      lockTimeoutMs: 30_000,
      cleanupIntervalMs: 300_000,
      autoResolveConflicts: true,
    });
    const url = new URL(databaseUrl(loaded.store.postgres) ?? "");
    expect([url.hostname, url.port, url.username, decodeURIComponent(url.password), url.pathname]).toEqual([
      "db",
      "5433",
      "u",
      "p@ss/word",
      "/d",
    ]);
    expect(url.searchParams.get("sslmode")).toBe("require");
    expect(databaseUrl(load().store.postgres)).toBeUndefined();
    expect(
      databaseUrl(load({ config }, { DATABASE_URL: "postgres://x/y?sslmode=disable" }).store.postgres),
    ).toBe("postgres://x/y?sslmode=disable");
  });

  test.each([
    ["postgres://x/y?sslmode=require", "postgres://x/y?sslmode=require&uselibpqcompat=true"],
    ["postgres://x/y?sslmode=prefer", "postgres://x/y?sslmode=prefer&uselibpqcompat=true"],
    [
      "postgres://x/y?sslmode=require&uselibpqcompat=false",
      "postgres://x/y?sslmode=require&uselibpqcompat=false",
    ],
    ["postgres://x/y?sslmode=verify-ca", "postgres://x/y?sslmode=verify-full&uselibpqcompat=true"],
    [
      "postgres://x/y?sslmode=verify-ca&sslrootcert=package.json",
      "postgres://x/y?sslmode=verify-ca&sslrootcert=package.json&uselibpqcompat=true",
    ],
    ["postgres://x/y?sslmode=verify-full", "postgres://x/y?sslmode=verify-full"],
    ["postgres://x/y", "postgres://x/y"],
  ])("%s means to the driver what it means to libpq", (given, expected) => {
    expect(databaseUrl(load({}, { DATABASE_URL: given }).store.postgres)).toBe(expected);
  });
});

describe("errors name the key, flag or variable", () => {
  test.each<[string, Flags, Environment, RegExp]>([
    [
      "a flag",
      { port: "99999" },
      {},
      /^--port \(server\.port\): expected a whole number from 0 to 65535, got "99999"$/,
    ],
    ["a variable", {}, { PORT: "x" }, /^PORT \(server\.port\): .*, got "x"$/],
    [
      "a derived variable",
      {},
      { AETHERFLOW_LIMITS_MAX_ELEMENTS: "-1" },
      /^AETHERFLOW_LIMITS_MAX_ELEMENTS \(limits\.maxElements\): /,
    ],
    [
      "a store",
      { store: "mysql" },
      {},
      /^--store \(store\.type\): expected one of postgres, memory, got "mysql"$/,
    ],
    [
      "a URL, which is not repeated",
      { "database-url": "mysql://a" },
      {},
      /^--database-url \(store\.postgres\.url\): expected a URL that begins with postgres:\/\/ or postgresql:\/\/$/,
    ],
    [
      "a URL in another place",
      {},
      { PORT: "postgres://u:hunter2@h/d" },
      /^PORT \(server\.port\): expected a whole number from 0 to 65535$/,
    ],
    [
      "a URL's TLS",
      {},
      { DATABASE_URL: "postgres://x/y?sslmode=verfy-full" },
      /^DATABASE_URL \(store\.postgres\.url\): sslmode: expected one of disable, prefer, require, verify-ca, verify-full$/,
    ],
    [
      "two TLS modes",
      {},
      { DATABASE_URL: "postgres://x/y?sslmode=require&sslmode=verify-full" },
      /^DATABASE_URL \(store\.postgres\.url\): sslmode: is there more than once$/,
    ],
    [
      "a certificate's file",
      { "database-url": "postgres://x/y?sslmode=verify-full&sslrootcert=/nonexistent.pem" },
      {},
      /^--database-url \(store\.postgres\.url\): sslrootcert: \/nonexistent\.pem cannot be read$/,
    ],
    [
      "an origin",
      { "allowed-origin": ["https://a.example/"] },
      {},
      /^--allowed-origin \(auth\.allowedOrigins\): /,
    ],
    [
      "the origin null",
      {},
      { AETHERFLOW_ALLOWED_ORIGINS: "https://a.example,null" },
      /^AETHERFLOW_ALLOWED_ORIGINS /,
    ],
    ["no such file", { config: "/nowhere.yaml" }, {}, /^--config: cannot read \/nowhere\.yaml/],
    [
      "a missing secret file",
      { "jwt-secret-file": "/nowhere" },
      {},
      /^--jwt-secret-file \(auth\.jwtSecretFile\): /,
    ],
    ["jwt without a key", { auth: "jwt" }, {}, /^--auth \(auth\.mode\): jwt needs AETHERFLOW_JWT_SECRET/],
    [
      "two keys",
      {},
      { AETHERFLOW_JWT_SECRET: "a", AETHERFLOW_JWKS_URL: "https://a.example" },
      /AETHERFLOW_JWT_SECRET.*and.*AETHERFLOW_JWKS_URL.*only one/,
    ],
    [
      "two keys of a file, which is named once",
      { config: file("auth: { jwtSecret: a, jwksUrl: 'https://a.example' }") },
      {},
      /^[^:]*yaml: auth\.jwtSecret and auth\.jwksUrl: give only one of them$/,
    ],
    ["no YAML", { config: file("a: [\n") }, {}, /yaml: .* at line 2, column 1$/],
    [
      "shared memory",
      { store: "memory", instances: "2" },
      {},
      /^--instances \(server\.instances\): the memory store/,
    ],
  ])("[config] %s", (_title, flags, env, expected) => {
    expect(problems(flags, env)).toEqual([expect.stringMatching(expected)]);
  });

  test("[config] all problems of a file at once, unknown keys and sections too; secrets are not repeated", () => {
    const config = file(
      "manager: { lockTimeout: 31x, lockTimout: 3s }\nlimts: 3\nstore: 5\nauth: { jwtSecret: { hunter2: 1 } }\n",
    );
    const found = problems({ config });
    expect(found).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/: manager\.lockTimeout: expected a duration .*, got "31x"$/),
        expect.stringMatching(/: manager\.lockTimout: unknown key; is lockTimeout meant\?$/),
        expect.stringMatching(/: limts: unknown key; is limits meant\?$/),
        expect.stringMatching(/: store: expected a section with keys$/),
        expect.stringMatching(/: auth\.jwtSecret: expected text$/),
      ]),
    );
    expect(found.join()).not.toContain("hunter2");
    expect(problems({ config: file("a: [\n") })).toHaveLength(1);
    expect(problems({ config: file("- a\n") })[0]).toMatch(/expected sections/);
  });

  test("[config] what is wrong with values and what is wrong between keys is told at once", () => {
    const both =
      "store: { postgres: { url: 'postgres://a/b', host: h } }\nauth: { jwtSecret: s, jwksUrl: 'https://a' }\n";
    const config = file(`${both}log: { level: loud }\nlimits: { maxElements: -1 }\n`);
    expect(problems({ config })).toEqual([
      expect.stringMatching(/: limits\.maxElements: .*, got "-1"$/),
      expect.stringMatching(/: log\.level: expected one of .*, got "loud"$/),
      expect.stringMatching(/: store\.postgres\.url: says it all/),
      expect.stringMatching(/: auth\.jwtSecret and auth\.jwksUrl: give only one of them$/),
    ]);
    // What a refused value decides is not judged by its default.
    expect(problems({ config: file("presence: { heartbeatMs: -1, leaseMs: 500 }") })).toHaveLength(1);
    expect(problems({ config: file("store: { postgres: { url: 5, user: u } }") })).toHaveLength(1);
    expect(problems({ config: file("server: { host: 0.0.0.0 }\nauth: { mode: jtw }") })).toHaveLength(1);
  });

  test.each([
    [
      "store:\n  postgres:\n    password: *hunter2!\n",
      /yaml: line 3: store\.postgres\.password: .* \* needs quotes$/,
    ],
    ["*hunter2 : 1\n", /yaml: line 1: .* \* needs quotes$/],
    ["auth:\n  jwtSecret: !hunter2\n", /yaml: line 2: .* ! needs quotes$/],
    ["log: &hunter2\n  level: *hunter2\n", /yaml: too many aliases/],
    [`a: &hunter2 [1, 2]\nb: [${"*hunter2, ".repeat(20)}]\n`, /yaml: too many aliases/],
  ])("[config] an alias or a tag that was none names its line, never its value: %j", (text, expected) => {
    const found = problems({ config: file(text) });
    expect(found).toEqual([expect.stringMatching(expected)]);
    expect(found.join()).not.toContain("hunter2");
  });

  test("[config] half an address of a database is refused, and names what is missing", () => {
    const postgres = (keys: string) => ({ config: file(`store: { postgres: { ${keys} } }`) });
    for (const keys of ["user: u, password: hunter2, dbName: d", "port: 1", "sslMode: require"]) {
      const [problem, ...more] = problems(postgres(keys));
      expect(problem).toMatch(/^store\.postgres\.host: is missing.* would not be used$/);
      expect(problem).not.toContain("hunter2");
      expect(more).toEqual([]);
      expect(load({ ...postgres(keys), store: "memory" }).store.type).toBe("memory");
    }
    expect(problems({}, { AETHERFLOW_STORE_POSTGRES_USER: "u" })[0]).toContain(
      "AETHERFLOW_STORE_POSTGRES_USER",
    );
    expect(load(postgres("maxOpenConns: 9")).store.postgres.maxOpenConns).toBe(9);
    expect(load(postgres("host: h, user: u")).store.postgres.user).toBe("u");
    expect(problems(postgres("url: 'postgres://a/b', host: h, dbName: d"))).toEqual([
      expect.stringMatching(
        /store\.postgres\.url: says it all; leave out store\.postgres\.host, store\.postgres\.dbName$/,
      ),
    ]);
    // A stronger source says where to go instead.
    const elsewhere = load({ ...postgres("host: h, dbName: d"), "database-url": "postgres://a/b" });
    expect(elsewhere.store.postgres.url).toBe("postgres://a/b");
  });

  test("[config] a variable that a URL of the database makes useless is accepted with a warning", () => {
    const single = { AETHERFLOW_STORE_POSTGRES_DB_NAME: "c", AETHERFLOW_STORE_POSTGRES_SSL_MODE: "require" };
    const both = { ...single, DATABASE_URL: "postgres://a/b" };
    expect(configWarnings(load({}, both), both)).toEqual([
      { name: "AETHERFLOW_STORE_POSTGRES_DB_NAME", message: expect.stringMatching(/not used: DATABASE_URL/) },
    ]);
    const whole = { ...single, AETHERFLOW_STORE_POSTGRES_HOST: "h" };
    expect(configWarnings(load({}, whole), whole)).toEqual([]);
  });

  test("[config] a flag or variable that the memory store makes useless is accepted with a warning", () => {
    const flags = { store: "memory", "database-url": "postgres://a/b" };
    const env = { AETHERFLOW_DATA_DIR: "d" };
    const message = expect.stringMatching(/^is not used: the memory store/);
    expect(configWarnings(load(flags, env), env)).toEqual([
      { name: "AETHERFLOW_DATA_DIR", message },
      { name: "--database-url", message },
    ]);
    expect(configWarnings(load({ config: file("store: { type: memory, dataDir: d }") }), {})).toEqual([]);
  });

  test("[config] an empty value is one problem; those of two keys are two", () => {
    expect(problems({ "database-url": "" })).toEqual([
      "--database-url (store.postgres.url): must not be empty",
    ]);
    expect(problems({ port: "x", store: "y" })).toHaveLength(2);
  });

  test("[config] the name of a database may hold anything but ? and #", () => {
    const url = (dbName: string) => databaseUrl({ ...load().store.postgres, host: "h", dbName }) ?? "";
    for (const name of ["a/b", "50%", "a%41", "ü b", "a:b@c;d&e=f+g$h,i", "q\"'\\"])
      expect(new pg.Client({ connectionString: url(name) }).database, name).toBe(name);
    expect(problems({ config: file("store: { postgres: { host: h, dbName: 'a?b' } }") })).toEqual([
      expect.stringMatching(/store\.postgres\.dbName: .*\? or #/),
    ]);
  });

  test("[config] autoResolveConflicts false is accepted: new documents get the policy manual", () => {
    expect(load({ config: file("manager: { autoResolveConflicts: false }") }).manager).toMatchObject({
      autoResolveConflicts: false,
    });
  });
});

describe("authentication mode", () => {
  test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("[auth] dev is the default on %s", (host) => {
    expect(load({ host }).auth).toMatchObject({ mode: "dev", key: { kind: "store" } });
  });
  test.each(["0.0.0.0", "::", "192.168.1.5", "example.com", "127.0.0.1.evil.org"])(
    "[auth] dev is refused on %s unless said in so many words",
    (host) => {
      expect(problems({ host })[0]).toMatch(/^--host \(server\.host\): .*--auth dev/);
      expect(load({ host, auth: "dev" }).auth.mode).toBe("dev");
      expect(load({ host }, { AETHERFLOW_JWT_SECRET: "s" }).auth.mode).toBe("jwt");
    },
  );

  test("[auth] dev beside a secret, where others reach it, is accepted with a warning", () => {
    const env = { AETHERFLOW_JWT_SECRET: "x".repeat(32) };
    const warned = (host: string, auth: string) =>
      configWarnings(load({ host, auth }, env), env).map(({ name, message }) => `${name}: ${message}`);
    expect(warned("0.0.0.0", "dev")).toEqual([expect.stringMatching(/^auth\.mode: .*AETHERFLOW_AUTH=jwt/)]);
    expect(warned("127.0.0.1", "dev")).toEqual([]);
    expect(warned("0.0.0.0", "jwt")).toEqual([]);
  });
});

test("[config] durations are read and written alike", () => {
  for (const [text, ms] of [
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["90d", 7_776_000_000],
    ["1.5s", 1_500],
  ] as const) {
    expect(parseDuration(text)).toBe(ms);
    expect(parseDuration(formatDuration(ms))).toBe(ms);
  }
  for (const text of ["", "5", "s", "-1s", "1 week", "1s2"]) expect(parseDuration(text)).toBeUndefined();
});

test("[config] the bounds that the documentation tells are those that hold, and its words are taken", () => {
  let bounded = 0;
  for (const { key, schema, isDuration, allows } of configKeys()) {
    const takes = (value: unknown) => schema.safeParse(value).success;
    const number = (text: string) => (isDuration ? (parseDuration(text) ?? Number.NaN) : Number(text));
    const [low, high] = allows.split(" –").map((text) => text.trim());
    if (high !== undefined) {
      bounded += 1;
      expect(takes(number(low ?? "")), `${key} takes ${low}`).toBe(true);
      expect(takes(number(low ?? "") - 1), `${key} takes less than ${low}`).toBe(false);
      const most = high === "" ? Number.MAX_SAFE_INTEGER : number(high);
      expect(takes(most), `${key} takes ${most}`).toBe(true);
      expect(takes(most + 1), `${key} takes more than ${most}`).toBe(false);
    } else if (allows !== "") {
      for (const [, word] of allows.matchAll(/`(\w[\w-]*)`/g))
        expect(takes(word), `${key}: ${word}`).toBe(true);
      expect(takes("something else"), key).toBe(false);
    }
  }
  expect(bounded).toBeGreaterThan(40);
});

test("[docs] docs/configuration.md lists every key with its default, values, variable and flag, and no other", () => {
  const text = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  const rows = text.split("\n").filter((line) => /^\| `[a-z]+\./.test(line));
  const sources = new Map(configSources().map((source) => [source.key, source]));
  expect(rows).toEqual(
    configKeys().map(({ key, initial, isDuration, allows, says }) => {
      const source = sources.get(key);
      const shown = isDuration ? formatDuration(Number(initial)) : initial;
      const value = initial === undefined ? "" : Array.isArray(initial) ? "none" : `\`${shown}\``;
      const flag = source?.flag === undefined ? "" : `\`--${source.flag}\``;
      return `| \`${key}\` | ${value} | ${allows} | \`${source?.env}\` | ${flag} | ${says.replaceAll("|", "\\|")} |`;
    }),
  );
});
