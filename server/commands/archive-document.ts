/** Archives one document's old end: where to cut, the snapshot that stands for it, and the parts. */
import { encodeMemory } from "../../shared/document/memory.ts";
import { encodeState } from "../room/encoded-state.ts";
import { stateAt } from "../room/state-at.ts";
import type { Archivable, Archive } from "../store/postgres/archive.ts";
import type { Store } from "../store/store.ts";

/** A snapshot at most this many operations before what is old is good enough: their log stays. */
const nearOperations = 1_000;

export interface ArchivedDocument {
  readonly docId: string;
  /** The version that the retained log follows on. */
  readonly through: number;
  readonly operations: number;
  readonly conflicts: number;
}

export interface ArchiveRun {
  readonly archive: Archive;
  readonly store: Store;
  /** RFC 3339. */
  readonly olderThan: string;
  readonly dryRun: boolean;
}

/** Undefined: there was nothing to move. `problem`: the old end cannot be moved, since its state cannot be rebuilt. */
export async function archiveDocument(
  document: Archivable,
  run: ArchiveRun,
): Promise<ArchivedDocument | { readonly docId: string; readonly problem: string } | undefined> {
  const { archive, store, olderThan, dryRun } = run;
  const { docId } = document;
  const before = document.retainedFrom - 1;
  const through = await whereToCut(document, store);
  if (dryRun) {
    const counts = await archive.count(docId, through, olderThan);
    return counts.operations + counts.conflicts === 0 ? undefined : { docId, through, ...counts };
  }
  if (through > before) {
    if (!(await hasSnapshot(store, docId, through)) && !(await writeSnapshot(document, through, store))) {
      return { docId, problem: `the state at version ${through} cannot be rebuilt` };
    }
    if (!(await archive.cut(docId, through)))
      return { docId, problem: `no snapshot of version ${through} is of this history` };
    const kept = await store.snapshots.list(docId);
    await store.snapshots.remove(
      docId,
      kept.filter(({ version }) => version < through).map(({ version }) => version),
    );
  }
  let operations = 0;
  for (let moved = 1; moved > 0; operations += moved) moved = await archive.moveOperations(docId);
  let conflicts = 0;
  for (let moved = 1; moved > 0; conflicts += moved) moved = await archive.moveConflicts(docId, olderThan);
  return operations + conflicts === 0 ? undefined : { docId, through, operations, conflicts };
}

async function whereToCut({ docId, oldUpTo, retainedFrom }: Archivable, store: Store): Promise<number> {
  if (oldUpTo < retainedFrom) return retainedFrom - 1;
  const kept = await store.snapshots.list(docId);
  const near = kept.findLast(
    ({ version, base }) => base === null && version <= oldUpTo && version >= retainedFrom,
  );
  return near !== undefined && near.version >= oldUpTo - nearOperations ? near.version : oldUpTo;
}

async function hasSnapshot(store: Store, docId: string, version: number): Promise<boolean> {
  return (await store.snapshots.list(docId)).some((each) => each.version === version && each.base === null);
}

async function writeSnapshot(document: Archivable, version: number, store: Store): Promise<boolean> {
  const { docId } = document;
  await startFromContent(document, store);
  const state = await stateAt(store, docId, version);
  if (state === undefined) return false;
  const elements = await encodeState(state, 0).parts;
  const memory = [...encodeMemory(state.memory)];
  await store.snapshots.write(docId, { version, operationId: state.operationId, elements, memory });
  return true;
}

/** Where a tool wrote the content that the log follows on, there may be no snapshot of it yet. */
async function startFromContent({ docId, retainedFrom, contentVersion }: Archivable, store: Store) {
  const version = retainedFrom - 1;
  if (version === 0 || contentVersion !== version || (await hasSnapshot(store, docId, version))) return;
  const content = await store.documents.readContent(docId);
  if (content?.version !== version) return;
  const inside = new TextDecoder().decode(content.content).trim().slice(1, -1).trim();
  const elements = inside === "" ? [] : [inside];
  await store.snapshots.write(docId, { version, operationId: null, elements, memory: [] });
}
