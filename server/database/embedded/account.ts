/**
 * PostgreSQL refuses to run as root. Where this process is root (a container), the server runs under an account
 * that exists already: nothing guarantees a useradd, and initdb insists on a name for its user id.
 */
import { readFile, stat } from "node:fs/promises";
import { EmbeddedProblem } from "./problem.ts";

/** Whom to become when starting PostgreSQL. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const preferred = ["postgres", "_postgres", "nobody", "daemon"];

/**
 * The account for a cluster; undefined when this process is not root and simply runs PostgreSQL as itself.
 * A cluster that exists keeps its owner.
 * @throws EmbeddedProblem as root on a system without any of the usual unprivileged accounts.
 */
export async function chooseAccount(clusterDir: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(clusterDir).catch(() => undefined);
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };

  const accounts = new Map<string, Account>();
  for (const line of (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n")) {
    const [name = "", , uid, gid] = line.split(":");
    accounts.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  for (const name of preferred) {
    const account = accounts.get(name);
    if (account !== undefined && account.uid > 0 && account.gid >= 0) return account;
  }
  throw new EmbeddedProblem(
    `PostgreSQL does not run as root, and /etc/passwd has none of ${preferred.join(", ")} to run it as; ` +
      "add one, run as another user, or set DATABASE_URL",
  );
}
