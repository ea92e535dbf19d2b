// Who may import whom (docs/architecture.md). Types count: a type-only cycle is a cycle.
const only = (name, from, allowed) => ({
  name,
  severity: "error",
  comment: `${from} may import ${allowed.join(", ") || "nothing of the project"}`,
  from: { path: from },
  to: {
    path: "^(server|shared|client|client-demo|drizzle|bench|test)/",
    pathNot: [from, ...allowed],
  },
});

const configAndObservability = ["^server/config", "^server/observability/"];

const helpModules = "^server/(main|commands/(usage|package-root)|config/(names|nearest))\\.ts$";

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "not-to-unresolvable",
      severity: "error",
      from: {},
      // Style sheets are the bundler's.
      to: { couldNotResolve: true, pathNot: "\\.css$" },
    },
    {
      name: "no-development-packages",
      severity: "error",
      from: { path: "^(server|shared|client|drizzle)/" },
      // React is an optional peer, and a development dependency for the tests.
      to: { dependencyTypes: ["npm-dev"], pathNot: "node_modules/(@types/)?react/" },
    },
    {
      name: "document-model-is-pure",
      severity: "error",
      from: { path: "^shared/document/" },
      to: { pathNot: ["^shared/document/", "node_modules/zod/"] },
    },
    {
      name: "shared-runs-anywhere",
      severity: "error",
      from: { path: "^(shared|client-demo)/" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "help-waits-for-nothing",
      severity: "error",
      comment:
        "--help, --version and unknown commands load neither zod, yaml, pino nor pg; commands load what they need",
      from: { path: helpModules },
      to: {
        dynamic: false,
        dependencyTypesNot: ["type-only", "core"],
        pathNot: [helpModules, "node_modules/leven/"],
      },
    },
    only("protocol", "^shared/protocol/", ["^shared/document/"]),
    only("client", "^client/", ["^shared/"]),
    only("client-demo", "^client-demo/", ["^client/", "^shared/"]),
    only("drizzle", "^drizzle/", ["^shared/"]),
    only("database", "^server/database/", [
      "^drizzle/",
      "^shared/",
      "^server/store/store",
      ...configAndObservability,
    ]),
    only("store", "^server/store/", [
      "^drizzle/",
      "^shared/",
      "^server/database/",
      ...configAndObservability,
    ]),
    only("commit", "^server/commit/", ["^server/store/store", "^shared/", ...configAndObservability]),
    only("fanout", "^server/fanout/", ["^server/store/store", "^shared/", ...configAndObservability]),
    only("room", "^server/room/", [
      "^server/(commit|fanout)/",
      "^server/store/store",
      "^shared/",
      ...configAndObservability,
    ]),
    only("access", "^server/access/", ["^server/store/store", "^shared/", ...configAndObservability]),
    only("session", "^server/session/", [
      "^server/(room|access)/",
      "^server/store/store",
      "^shared/",
      ...configAndObservability,
    ]),
    only("http", "^server/http/", [
      "^server/(room|access)/",
      "^server/store/store",
      "^shared/",
      ...configAndObservability,
    ]),
    only("webhooks", "^server/webhooks/", [
      "^server/access/",
      "^server/store/store",
      "^shared/",
      ...configAndObservability,
    ]),
    only("config", "^server/config", ["^shared/"]),
    only("observability", "^server/observability/", []),
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "node", "default"],
    },
  },
};
