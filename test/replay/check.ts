/** What has to hold at the end of a replay, checked against the log and the server's content. */
import type { DocumentReplica } from "../../client/index.ts";
import { applyOperation } from "../../shared/document/apply.ts";
import type { Elements, Properties } from "../../shared/document/json.ts";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import { digestOf } from "./digest.ts";
import type { Witness } from "./witness.ts";

export interface Checked {
  readonly version: number;
  readonly elements: number;
  readonly repeated: number;
  readonly recognised: number;
  /** What is compared, with its digest; all have to be the same. */
  readonly digests: readonly { readonly of: string; readonly digest: string }[];
  readonly problems: readonly string[];
}

export interface CheckOptions {
  readonly replicas: readonly {
    readonly name: string;
    readonly replica: DocumentReplica;
    readonly witness: Witness;
  }[];
  /** GET of a path below `/v1/documents/ID` at each surviving instance. */
  readonly instances: readonly { readonly name: string; get<T>(path: string): Promise<T> }[];
}

export async function checkDocument({ replicas, instances }: CheckOptions): Promise<Checked> {
  const problems: string[] = [];
  const [instance] = instances;
  if (instance === undefined) throw new Error("no instance is left");

  const log: SequencedOperation[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: { items: SequencedOperation[]; nextCursor: string | null } = await instance.get(
      `/operations?order=asc&limit=200${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    log.push(...page.items);
    cursor = page.nextCursor;
  }

  // R1, R2, R3: versions 1…N, each id once, every submitted id in it, nothing else.
  const versions = new Map<string, number>();
  for (const [index, { version, id }] of log.entries()) {
    if (version !== index + 1)
      problems.push(`R1: version ${version} stands at place ${index + 1} of the log`);
    if (versions.has(id)) problems.push(`R2: ${id} is in the log as ${versions.get(id)} and ${version}`);
    versions.set(id, version);
  }
  const submitted = new Set<string>();
  for (const { name, replica, witness } of replicas) {
    for (const text of witness.violations) problems.push(`R4: ${name}: ${text}`);
    for (const text of witness.refused) problems.push(`${name} was refused: ${text}`);
    if (replica.pendingCount > 0) problems.push(`${name}: ${replica.pendingCount} changes are still pending`);
    if (replica.version !== log.length) problems.push(`${name} is at ${replica.version} of ${log.length}`);
    for (const id of witness.submitted) {
      submitted.add(id);
      const version = versions.get(id);
      const told = witness.recognised.get(id);
      if (version === undefined) problems.push(`R2: ${name}'s ${id} is not in the log`);
      else if (witness.received.get(version) !== id && told !== version)
        problems.push(`R2: ${name} was not told of its ${id} at ${version} (told: ${told ?? "nothing"})`);
    }
    for (const [version, id] of witness.received)
      if (log[version - 1]?.id !== id)
        problems.push(`R4: ${name} got ${id} as ${version}, the log has another`);
    // R3: a client's operations keep their order.
    let last = 0;
    for (const id of witness.submitted) {
      const version = versions.get(id) ?? last;
      if (version < last)
        problems.push(`R3: ${name}'s ${id} at ${version} came after its later one at ${last}`);
      last = Math.max(last, version);
    }
  }
  for (const { id, version } of log)
    if (!submitted.has(id)) problems.push(`R3: nobody submitted ${id}, which is in the log as ${version}`);

  // R5: replicas, server and replay of the log are the same.
  const digests = replicas.map(({ name, replica }) => ({ of: name, digest: digestOf(replica.elements) }));
  for (const { name, get } of instances) {
    const { version, elements } = await get<{ version: number; elements: Record<string, Properties> }>(
      "/content",
    );
    if (version !== log.length) problems.push(`${name} is at ${version} of ${log.length}`);
    digests.push({ of: name, digest: digestOf(Object.entries(elements)) });
  }
  const replayed: Elements = new Map();
  for (const operation of log) if (operation.status === "applied") applyOperation(replayed, operation);
  const truth = digestOf(replayed);
  digests.push({ of: "replay of the log", digest: truth });
  for (const { of, digest } of digests)
    if (digest !== truth) problems.push(`R5: ${of} is ${digest}, a replay of the log gives ${truth}`);

  return {
    version: log.length,
    elements: replayed.size,
    repeated: replicas.reduce((sum, { witness }) => sum + witness.repeated, 0),
    recognised: replicas.reduce((sum, { witness }) => sum + witness.recognised.size, 0),
    digests,
    problems,
  };
}
