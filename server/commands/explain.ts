/** What a person is told of a command that failed. */
import { ConfigError } from "../config.ts";
import { AccessProblem } from "../database/access-problem.ts";
import { EmbeddedProblem } from "../database/embedded/problem.ts";
import { MigrationProblem } from "../database/migration-files.ts";
import { describeError, withCause } from "../observability/log.ts";
import { StoreUnavailable } from "../store/store.ts";

/** Says what went wrong: in words where a person can change it, with the stack where it is a bug. Returns the exit code. */
export function explain(command: string, error: unknown): number {
  const { message, code, stack } = describeError(error);
  const say = (text: string) => process.stderr.write(`aetherflow ${command}: ${text}\n`);
  if (error instanceof ConfigError) {
    for (const problem of error.problems) say(problem);
    return 2;
  }
  const expected = [AccessProblem, EmbeddedProblem, MigrationProblem, StoreUnavailable];
  if (expected.some((kind) => error instanceof kind)) say(withCause(error));
  else if (command === "serve" && code === "EADDRINUSE" && error instanceof Error && "port" in error)
    say(`port ${error.port} is already in use; choose another with --port`);
  else if (command === "serve" && code !== undefined && code in listening)
    say(`${listening[code]} (${message})`);
  else say(stack ?? message);
  return 1;
}

/** Why an address cannot be listened on. */
const listening: { readonly [code: string]: string } = {
  EADDRNOTAVAIL: "--host: not an address of this machine",
  ENOTFOUND: "--host: not an address of this machine",
  EACCES: "--port: not allowed to listen there",
};
