/**
 * The servers that experiments share: a group of instances for each target, number of instances and size of the log,
 * each with a database of its own. A group stays up between the rounds and experiments that use it, so that none is
 * measured while its code is still being compiled.
 */
import { migrate } from "../server/database/migrate.ts";
import { fillLog } from "./fill-log.ts";
import type { BenchPostgres } from "./postgres.ts";
import { makeTarget, type Target, type TargetName } from "./targets.ts";

export interface ServerGroup {
  readonly target: TargetName;
  readonly instances: number;
  /** Operations in the log before anything is measured. */
  readonly stored?: number | undefined;
  /** Of each instance's pool; undefined: the default. */
  readonly connections?: number | undefined;
}

/** Names a group. */
export const groupKey = ({ target, instances, stored = 0, connections }: ServerGroup): string =>
  JSON.stringify([target, instances, stored, connections]);

export interface ServersOptions {
  readonly postgres: BenchPostgres;
  readonly core: number | undefined;
  /** The folder for CPU profiles of a target. */
  profileFolder(target: TargetName): string | undefined;
  progress(what: string): void;
}

export class Servers {
  readonly #options: ServersOptions;
  readonly #groups = new Map<string, Target>();
  #databases = 0;

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  /** The group, running. */
  async start(group: ServerGroup): Promise<Target> {
    const key = groupKey(group);
    let target = this.#groups.get(key);
    if (target === undefined) {
      target = this.fresh(group);
      this.#groups.set(key, target);
    }
    await target.scale(group.instances);
    return target;
  }

  /** A target of the caller's own, not started, which the caller closes. */
  fresh(group: ServerGroup, collectible = false): Target {
    const { core, profileFolder } = this.#options;
    return makeTarget(group.target, {
      core,
      connections: group.connections,
      collectible,
      profile: profileFolder(group.target),
      databaseUrl: () => this.#database(group.stored ?? 0),
    });
  }

  /** Stops the groups that are not among these. */
  async keep(keys: ReadonlySet<string>): Promise<void> {
    for (const [key, target] of this.#groups) {
      if (keys.has(key)) continue;
      this.#groups.delete(key);
      await target.close();
    }
  }

  async close(): Promise<void> {
    await this.keep(new Set());
  }

  async #database(stored: number): Promise<string> {
    const { postgres, progress } = this.#options;
    this.#databases += 1;
    const url = await postgres.createDatabase(String(this.#databases));
    if (stored > 0) {
      await migrate(url, "up");
      await fillLog(url, stored, progress);
    }
    return url;
  }
}
