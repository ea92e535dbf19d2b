/** What a database's URL says about TLS. */
import { accessSync, constants } from "node:fs";

/** As libpq knows them, but for `allow` (first without TLS), which the driver cannot do. */
const sslModes: readonly string[] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
const files = ["sslrootcert", "sslcert", "sslkey"];

/** What is wrong with it: a misspelt mode must not end in another one. */
export function tlsProblems(url: string): string[] {
  const parameters = new URL(url).searchParams;
  const problems: string[] = [];
  const [mode, ...further] = parameters.getAll("sslmode");
  if (further.length > 0) problems.push("sslmode: is there more than once");
  else if (mode !== undefined && !sslModes.includes(mode))
    problems.push(`sslmode: expected one of ${sslModes.join(", ")}`);
  for (const name of files) {
    const file = parameters.get(name);
    if (file !== null && !isReadable(file)) problems.push(`${name}: ${file} cannot be read`);
  }
  return problems;
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
