import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { configSources, loadConfig } from "../../server/config.ts";
import { initialSettings } from "../../server/database/embedded/cluster.ts";
import { postgresSettings } from "./postgres-settings.ts";

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const read = (file: string) => readFileSync(path.join(root, file), "utf8");

/** What of the Compose specification the file uses; anything else is a mistake here. */
const service = z.strictObject({
  build: z.string().optional(),
  image: z.string(),
  restart: z.enum(["unless-stopped"]),
  stop_grace_period: z.string().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  depends_on: z
    .union([z.array(z.string()), z.record(z.string(), z.strictObject({ condition: z.string() }))])
    .optional(),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/)).optional(),
  volumes: z.array(z.string()).optional(),
  healthcheck: z
    .strictObject({
      test: z.array(z.string()),
      interval: z.string(),
      timeout: z.string(),
      retries: z.number(),
    })
    .optional(),
});
const compose = z
  .looseObject({
    name: z.string(),
    services: z.record(z.string(), service),
    volumes: z.record(z.string(), z.null()),
  })
  .parse(parse(read("docker-compose.yml"), { merge: true }));

describe("containers", () => {
  it("[compose-1] two instances, a proxy, PostgreSQL and pgAdmin, each dependency and volume declared", () => {
    const names = Object.keys(compose.services);
    expect(names).toEqual(["postgres", "aetherflow-1", "aetherflow-2", "proxy", "pgadmin"]);
    for (const { depends_on: dependsOn = [], volumes = [] } of Object.values(compose.services)) {
      for (const name of Array.isArray(dependsOn) ? dependsOn : Object.keys(dependsOn))
        expect(names).toContain(name);
      for (const volume of volumes) {
        const [source = ""] = volume.split(":");
        if (source.startsWith("./")) expect(existsSync(path.join(root, source)), source).toBe(true);
        else expect(Object.keys(compose.volumes)).toContain(source);
      }
    }
  });

  it("[compose-2] the servers' environment is a configuration as it stands, unset secrets included", () => {
    const known = new Set(configSources().map(({ env }) => env));
    const environment = compose.services["aetherflow-1"]?.environment ?? {};
    for (const name of Object.keys(environment)) expect(known, name).toContain(name);
    const unset = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, value.replace(/\$\{\w+:-(.*)\}/, "$1")]),
    );
    const config = loadConfig({ flags: {}, env: { ...unset, HOST: "0.0.0.0", PORT: "9002" } });
    expect(config.auth.mode).toBe("dev");
    expect(config.store.postgres.url).toContain("@postgres:5432/aetherflow");
  });

  it("[compose-3] the proxy spreads over exactly the instances, without stickiness", () => {
    const nginx = read("deploy/nginx.conf");
    const upstreams = [...nginx.matchAll(/server (\S+):9002/g)].map(([, name]) => name);
    expect(upstreams).toEqual(["aetherflow-1", "aetherflow-2"]);
    expect(nginx).not.toMatch(/ip_hash|sticky|hash \$/);
    expect(nginx).toContain("proxy_set_header Upgrade $http_upgrade;");
  });

  it("[compose-4] the proxy keeps /metrics from the outside, however its path is written, and passes the rest", () => {
    const nginx = read("deploy/nginx.conf");
    // An exact location is compared with the path as nginx understands it: decoded, without `//`, `/./`, `/../` and the query.
    const locations = [...nginx.matchAll(/^\s*location (.+?) \{([^}]*)\}/gms)].map(([, name, body = ""]) => ({
      name,
      passes: body.includes("proxy_pass"),
    }));
    expect(locations).toEqual([
      { name: "= /metrics", passes: false },
      { name: "/", passes: true },
    ]);
    expect(nginx).toContain("location = /metrics { return 404; }");
    expect(nginx).not.toContain("merge_slashes");
  });

  it("[compose-5] PostgreSQL logs no parameters and no rows: the settings are those of the embedded database", () => {
    const settings = postgresSettings();
    for (const name of [
      "log_parameter_max_length",
      "log_parameter_max_length_on_error",
      "log_error_verbosity",
      "log_min_duration_statement",
    ]) {
      expect(settings.get(name), name).toBe(initialSettings[name]);
    }
    expect(settings.get("log_statement")).toBeUndefined();
    expect(settings.get("log_parameter_max_length")).toBe("0");
  });

  it("[compose-6] pg_stat_statements is loaded, and its extension is made with the database", () => {
    expect(postgresSettings().get("shared_preload_libraries")).toBe("pg_stat_statements");
    const script = "./deploy/postgresql-init.sql:/docker-entrypoint-initdb.d/postgresql-init.sql:ro";
    expect(compose.services.postgres?.volumes).toContain(script);
    const [, statements = ""] = read("deploy/postgresql-init.sql").split("\\connect postgres\n");
    expect(statements.trim()).toBe("CREATE EXTENSION IF NOT EXISTS pg_stat_statements;");
  });

  it("[compose-7] both instances together stay below PostgreSQL's connections", () => {
    const servers = Object.keys(compose.services).filter((name) => name.startsWith("aetherflow-"));
    const { maxOpenConns } = loadConfig({ flags: {}, env: {} }).store.postgres;
    expect(servers.length * (maxOpenConns + 2)).toBeLessThan(
      Number(postgresSettings().get("max_connections")) - 10,
    );
  });

  it("[docker-2] image, command, `npm start` and benchmark run with the same settings of the heap", () => {
    const flags = [
      "--max-semi-space-size=64",
      "--no-allocation-site-pretenuring",
      "--heap-growing-percent=100",
    ];
    const quoted = flags.map((flag) => `"${flag}"`).join(", ");
    expect(read("package.json")).toContain(`exec node ${flags.join(" ")} dist/server/main.js serve`);
    expect(read("server/main.ts").split("\n")[0]).toBe(`#!/usr/bin/env -S node ${flags.join(" ")}`);
    expect(read("Dockerfile")).toContain(`ENTRYPOINT ["node", ${quoted}, "dist/server/main.js"]`);
    expect(read("bench/processes.ts")).toContain(`[${quoted}]`);
  });

  it("[docker-1] the image copies what exists, runs as an ordinary user and says whether it is healthy", () => {
    const dockerfile = read("Dockerfile");
    for (const [, sources = ""] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
      for (const source of sources.split(" ")) expect(existsSync(path.join(root, source)), source).toBe(true);
    }
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
    const ignored = read(".dockerignore").split("\n");
    // The build reads the replay's sources too: without the folder `tsc` finds nothing to build there.
    expect(ignored).not.toContain("test");
    expect(ignored).not.toContain("bench");
  });
});
