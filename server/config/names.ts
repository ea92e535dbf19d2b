/** The names of keys outside the file. Imports nothing: the command line's help should not wait for the schema. */

/** A key that has a flag, or a variable of another name than `AETHERFLOW_SECTION_KEY`. */
export interface Binding {
  readonly key: string;
  readonly env?: string;
  readonly flag?: string;
  /** A flag without a value that sets this one. */
  readonly sets?: boolean;
  readonly repeatable?: true;
  readonly argument?: string;
}

/** The names that the command line and the environment have for keys; every key has `AETHERFLOW_SECTION_KEY` as well. */
export const bindings: readonly Binding[] = [
  { key: "server.host", env: "HOST", flag: "host", argument: "ADDRESS" },
  { key: "server.port", env: "PORT", flag: "port", argument: "PORT" },
  { key: "server.instances", env: "AETHERFLOW_INSTANCES", flag: "instances", argument: "N" },
  { key: "server.demo", flag: "no-demo", sets: false },
  { key: "server.migrate", flag: "no-migrate", sets: false },
  { key: "store.type", env: "AETHERFLOW_STORE", flag: "store", argument: "postgres|memory" },
  { key: "store.dataDir", env: "AETHERFLOW_DATA_DIR", flag: "data-dir", argument: "FOLDER" },
  { key: "store.postgres.url", env: "DATABASE_URL", flag: "database-url", argument: "URL" },
  { key: "auth.mode", env: "AETHERFLOW_AUTH", flag: "auth", argument: "dev|jwt" },
  { key: "auth.jwtSecret", env: "AETHERFLOW_JWT_SECRET" },
  { key: "auth.jwtSecretFile", flag: "jwt-secret-file", argument: "FILE" },
  { key: "auth.jwksUrl", env: "AETHERFLOW_JWKS_URL", flag: "jwks-url", argument: "URL" },
  {
    key: "auth.allowedOrigins",
    env: "AETHERFLOW_ALLOWED_ORIGINS",
    flag: "allowed-origin",
    argument: "ORIGIN",
    repeatable: true,
  },
  { key: "log.level", env: "LOG_LEVEL", flag: "log-level", argument: "LEVEL" },
];

/** `AETHERFLOW_SECTION_KEY`. */
export const environmentName = (key: string) =>
  `AETHERFLOW_${key
    .replaceAll(".", "_")
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .toUpperCase()}`;
