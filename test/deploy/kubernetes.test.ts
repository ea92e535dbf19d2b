/** The manifests fit each other, the image, and what the server reads and answers. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { type Config, ConfigError, configSources, databaseUrl, loadConfig } from "../../server/config.ts";
import { startTestInstance } from "../instances/start.ts";
import { postgresSettings } from "./postgres-settings.ts";

const root = path.resolve(import.meta.dirname, "../..");
const folder = path.join(root, "deploy/kubernetes");
const read = (file: string) => readFileSync(path.join(folder, file), "utf8");

const labels = z.record(z.string(), z.string());
const secretKey = z.strictObject({ secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }) });
const variable = z.union([
  z.strictObject({ name: z.string(), value: z.string() }),
  z.strictObject({ name: z.string(), valueFrom: secretKey }),
]);
const probe = z.looseObject({
  httpGet: z.strictObject({ path: z.string(), port: z.string() }).optional(),
  exec: z.strictObject({ command: z.array(z.string()) }).optional(),
  periodSeconds: z.int(),
  timeoutSeconds: z.int().default(1),
  failureThreshold: z.int().default(3),
});
const container = z.looseObject({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()).optional(),
  env: z.array(variable),
  ports: z.array(z.strictObject({ name: z.string(), containerPort: z.int() })),
  startupProbe: probe.optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe,
  lifecycle: z
    .strictObject({
      preStop: z.strictObject({ exec: z.strictObject({ command: z.array(z.string()) }) }),
    })
    .optional(),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: z.string(), memory: z.string() }),
    limits: z.strictObject({ memory: z.string() }),
  }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
  }),
  volumeMounts: z
    .array(
      z.strictObject({
        name: z.string(),
        mountPath: z.string(),
        subPath: z.string().optional(),
        readOnly: z.boolean().optional(),
      }),
    )
    .default([]),
});
const workload = z.looseObject({
  metadata: z.strictObject({ name: z.string(), labels }),
  spec: z.looseObject({
    selector: z.strictObject({ matchLabels: labels }),
    template: z.strictObject({
      metadata: z.strictObject({ labels, annotations: labels.optional() }),
      spec: z.looseObject({
        terminationGracePeriodSeconds: z.int(),
        automountServiceAccountToken: z.literal(false),
        securityContext: z.looseObject({ runAsNonRoot: z.literal(true), runAsUser: z.int().min(1) }),
        containers: z.tuple([container]),
        volumes: z
          .array(
            z.looseObject({ name: z.string(), configMap: z.strictObject({ name: z.string() }).optional() }),
          )
          .default([]),
      }),
    }),
  }),
});
const deployment = workload.extend({
  spec: workload.shape.spec.extend({
    strategy: z.strictObject({
      type: z.literal("RollingUpdate"),
      rollingUpdate: z.strictObject({ maxSurge: z.int(), maxUnavailable: z.literal(0) }),
    }),
  }),
});
const statefulSet = workload.extend({
  spec: workload.shape.spec.extend({
    serviceName: z.string(),
    replicas: z.literal(1),
    volumeClaimTemplates: z.array(z.looseObject({ metadata: z.strictObject({ name: z.string() }) })),
  }),
});
const service = z.looseObject({
  spec: z.strictObject({
    clusterIP: z.literal("None").optional(),
    selector: labels,
    ports: z.array(z.strictObject({ name: z.string(), port: z.int(), targetPort: z.string() })),
  }),
});
const budget = z.looseObject({
  spec: z.strictObject({
    selector: z.strictObject({ matchLabels: labels }),
    minAvailable: z.int().optional(),
    maxUnavailable: z.int().optional(),
  }),
});
const autoscaler = z.looseObject({
  spec: z.looseObject({
    scaleTargetRef: z.strictObject({ apiVersion: z.string(), kind: z.string(), name: z.string() }),
    minReplicas: z.int().min(2),
    maxReplicas: z.int(),
  }),
});

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml") && name !== "secret.yaml");
const manifests = files.flatMap((name) =>
  parseAllDocuments(read(name)).map((document) => {
    expect(document.errors, name).toEqual([]);
    return document.toJS() as Manifest;
  }),
);
function one<T extends z.ZodType>(schema: T, kind: string, name: string): z.output<T> {
  const found = manifests.filter((each) => each.kind === kind && each.metadata.name === name);
  expect(found, `${kind} ${name}`).toHaveLength(1);
  return schema.parse(found[0]);
}

const servers = one(deployment, "Deployment", "aetherflow");
const database = one(statefulSet, "StatefulSet", "postgres");
const pods = { aetherflow: servers.spec.template, postgres: database.spec.template };
const [server] = pods.aetherflow.spec.containers;
const [postgres] = pods.postgres.spec.containers;
const scaling = one(autoscaler, "HorizontalPodAutoscaler", "aetherflow").spec;
const settings = one(z.looseObject({ data: labels }), "ConfigMap", "postgres").data;
const secret = z
  .looseObject({ metadata: z.looseObject({ name: z.string() }), stringData: labels })
  .parse(parseAllDocuments(read("secret.yaml.example"))[0]?.toJS());

/** The image's own, and the container's with these secrets. */
function environment(secrets: Readonly<Record<string, string>>): Record<string, string> {
  const image = /^ENV (.+)$/m.exec(readFileSync(path.join(root, "Dockerfile"), "utf8"))?.[1] ?? "";
  return Object.fromEntries([
    ...image.split(" ").map((pair) => pair.split("=")),
    ...server.env.map((each) => [
      each.name,
      "value" in each ? each.value : (secrets[each.valueFrom.secretKeyRef.key] ?? ""),
    ]),
  ]);
}
const configuration = (secrets: Readonly<Record<string, string>>): Config =>
  loadConfig({ flags: {}, env: environment(secrets) });
const filled = { databasePassword: "p@ss/word", jwtSecret: "s".repeat(48) };

describe("kubernetes", () => {
  it("[kubernetes-1] there is what has to be, once, and nothing else", () => {
    expect(
      manifests.map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`),
    ).toEqual([
      "v1 ConfigMap postgres",
      "v1 Service postgres",
      "apps/v1 StatefulSet postgres",
      "policy/v1 PodDisruptionBudget postgres",
      "apps/v1 Deployment aetherflow",
      "v1 Service aetherflow",
      "policy/v1 PodDisruptionBudget aetherflow",
      "autoscaling/v2 HorizontalPodAutoscaler aetherflow",
    ]);
  });

  it.each(["aetherflow", "postgres"] as const)(
    "[kubernetes-2] %s: every selector finds its pods, every port its container's, every volume and file is there",
    (name) => {
      const workloadOf = { aetherflow: servers, postgres: database }[name];
      const { metadata, spec } = pods[name];
      const [{ ports, volumeMounts, startupProbe, livenessProbe, readinessProbe }] = spec.containers;
      const selectors = [
        workloadOf.spec.selector.matchLabels,
        one(service, "Service", name).spec.selector,
        one(budget, "PodDisruptionBudget", name).spec.selector.matchLabels,
      ];
      for (const selector of selectors) expect(metadata.labels).toMatchObject(selector);
      const other = pods[name === "postgres" ? "aetherflow" : "postgres"].metadata.labels;
      for (const selector of selectors) expect(other).not.toMatchObject(selector);
      const names = ports.map((port) => port.name);
      for (const { targetPort } of one(service, "Service", name).spec.ports)
        expect(names).toContain(targetPort);
      for (const each of [startupProbe, livenessProbe, readinessProbe])
        if (each?.httpGet !== undefined) expect(names).toContain(each.httpGet.port);

      const claims = name === "postgres" ? database.spec.volumeClaimTemplates : [];
      const volumes = [
        ...spec.volumes.map((volume) => volume.name),
        ...claims.map((each) => each.metadata.name),
      ];
      expect(volumeMounts.map((mount) => mount.name).filter((each) => !volumes.includes(each))).toEqual([]);
      expect(volumes.filter((each) => !volumeMounts.some((mount) => mount.name === each))).toEqual([]);
      for (const volume of spec.volumes.filter(({ configMap }) => configMap !== undefined)) {
        expect(volume.configMap?.name).toBe("postgres");
        for (const { subPath } of volumeMounts.filter((mount) => mount.name === volume.name))
          expect(Object.keys(settings)).toContain(subPath);
      }
    },
  );

  it("[kubernetes-3] every secret key is in the template, and nothing in the template is unused", () => {
    const refs = [...server.env, ...postgres.env].flatMap((each) =>
      "valueFrom" in each ? [each.valueFrom.secretKeyRef] : [],
    );
    expect(refs.length).toBeGreaterThanOrEqual(3);
    for (const { name } of refs) expect(name).toBe(secret.metadata.name);
    expect(new Set(refs.map(({ key }) => key))).toEqual(new Set(Object.keys(secret.stringData)));
    for (const key of Object.keys(secret.stringData))
      expect(read("README.md")).toContain(`--from-literal=${key}=`);
    for (const { name } of postgres.env) expect(name).toMatch(/^POSTGRES_(USER|DB|PASSWORD)$/);
  });

  it("[kubernetes-4] the server reads every variable, takes tokens of the secret only, and reaches the database", () => {
    const known = configSources().flatMap(({ env, alias }) => [env, alias]);
    for (const { name } of server.env) expect(known, name).toContain(name);
    const config = configuration(filled);
    expect(config.server.host).toBe("0.0.0.0");
    expect(config.auth).toMatchObject({ mode: "jwt", key: { kind: "secret", secret: filled.jwtSecret } });
    const url = new URL(databaseUrl(config.store.postgres) ?? "");
    const { spec } = one(service, "Service", "postgres");
    expect(url.hostname).toBe(database.spec.serviceName);
    expect(url.hostname).toBe("postgres");
    expect(spec.clusterIP).toBe("None");
    expect(url.port).toBe(String(spec.ports[0]?.port));
    expect(decodeURIComponent(url.password)).toBe(filled.databasePassword);
    const of = (name: string) => postgres.env.find((each) => each.name === name);
    expect(of("POSTGRES_USER")).toMatchObject({ value: url.username });
    expect(of("POSTGRES_DB")).toMatchObject({ value: url.pathname.slice(1) });
    const password = { valueFrom: { secretKeyRef: { key: "databasePassword" } } };
    expect(of("POSTGRES_PASSWORD")).toMatchObject(password);
    const reads = server.env.find(({ name }) => name === "AETHERFLOW_STORE_POSTGRES_PASSWORD");
    expect(reads).toMatchObject(password);
  });

  it("[kubernetes-5] with the template as it is, nothing starts", () => {
    expect(Object.values(secret.stringData).every((value) => value === "")).toBe(true);
    expect(() => configuration(secret.stringData)).toThrow(ConfigError);
    expect(() => configuration({ ...filled, jwtSecret: "" })).toThrow(/jwt needs/);
  });

  it("[kubernetes-6] probes and the scraper ask for what the server answers, where it listens", async () => {
    const { port } = configuration(filled).server;
    expect(server.ports).toEqual([{ name: "http", containerPort: port }]);
    const annotations = pods.aetherflow.metadata.annotations ?? {};
    expect(annotations).toEqual({
      "prometheus.io/scrape": "true",
      "prometheus.io/path": "/metrics",
      "prometheus.io/port": String(port),
    });
    expect(server.readinessProbe.httpGet?.path).toBe("/readyz");
    expect(server.livenessProbe?.httpGet?.path).toBe("/healthz");
    const instance = await startTestInstance(undefined);
    try {
      const paths = [server.startupProbe, server.livenessProbe, server.readinessProbe].map(
        (each) => each?.httpGet?.path ?? "",
      );
      for (const each of [...paths, annotations["prometheus.io/path"]])
        expect((await fetch(`${instance.url}${each}`)).status, each).toBe(200);
    } finally {
      await instance.close();
    }
  });

  it("[kubernetes-7] times: a probe waits longer than the server takes, a start may migrate, a stop may drain", () => {
    const { drainMs } = configuration(filled).server;
    const [command, seconds] = server.lifecycle?.preStop.exec.command ?? [];
    expect(command).toBe("sleep");
    const { terminationGracePeriodSeconds } = pods.aetherflow.spec;
    expect(terminationGracePeriodSeconds * 1_000).toBeGreaterThan(Number(seconds) * 1_000 + drainMs);
    // /readyz gives up after 2 s; a process that migrates is waited for for up to 5 min.
    expect(server.readinessProbe.timeoutSeconds).toBeGreaterThan(2);
    const start = server.startupProbe ?? { periodSeconds: 0, failureThreshold: 0 };
    expect(start.periodSeconds * start.failureThreshold).toBeGreaterThan(300);
  });

  it("[kubernetes-8] as many pods as there can be, one of a rollout included, stay below PostgreSQL's connections", () => {
    expect(scaling.scaleTargetRef).toEqual({ apiVersion: "apps/v1", kind: "Deployment", name: "aetherflow" });
    expect("replicas" in servers.spec).toBe(false);
    const { server: one, store } = configuration(filled);
    const { maxOpenConns } = store.postgres;
    const max = Number(postgresSettings(settings["postgresql.conf"]).get("max_connections"));
    const instances = (scaling.maxReplicas + servers.spec.strategy.rollingUpdate.maxSurge) * one.instances;
    expect(instances * (maxOpenConns + 2)).toBeLessThan(max - 10);
    // What the comment and README.md say.
    expect(read("README.md")).toContain(
      `${instances} × ${maxOpenConns + 2} = ${instances * (maxOpenConns + 2)} < 90`,
    );
    expect(maxOpenConns).toBeGreaterThanOrEqual(configuration(filled).commit.flights + 1);
  });

  it("[kubernetes-9] PostgreSQL's settings are those of docker-compose.yml, and are used", () => {
    for (const [name, text] of Object.entries(settings))
      expect(text, name).toBe(readFileSync(path.join(root, "deploy", name), "utf8"));
    const mounted = new Map(postgres.volumeMounts.map(({ subPath, mountPath }) => [subPath, mountPath]));
    expect(postgres.args).toEqual(["postgres", "-c", `config_file=${mounted.get("postgresql.conf")}`]);
    expect(mounted.get("postgresql-init.sql")).toMatch(/^\/docker-entrypoint-initdb\.d\//);
  });

  it("[kubernetes-10] one pod at a time may be evicted, and never the last one nor PostgreSQL", () => {
    expect(one(budget, "PodDisruptionBudget", "aetherflow").spec.maxUnavailable).toBe(1);
    expect(scaling.minReplicas).toBeGreaterThan(1);
    expect(one(budget, "PodDisruptionBudget", "postgres").spec.minAvailable).toBe(database.spec.replicas);
  });
});
