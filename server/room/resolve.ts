/**
 * What a choice comes to (protocol section 3, `resolve`): the operations that it sequences, which held-back ones it
 * settles, and the new record of those that the resolver had not seen. Pure but for the draft that it writes into.
 */
import type { ConflictWrite } from "../../shared/document/conflict-record.ts";
import { type DecidedOperation, type Draft, exceeded } from "../../shared/document/decide.ts";
import { internAuthor } from "../../shared/document/document-memory.ts";
import type { Properties } from "../../shared/document/json.ts";
import type { Operation, SequencedOperation } from "../../shared/document/operation.ts";
import type { Past } from "../../shared/document/past.ts";
import { writesTo } from "../../shared/document/past.ts";
import type { ErrorCode } from "../../shared/protocol/codes.ts";
import type { ResolveChoice } from "../../shared/protocol/messages.ts";
import type { ConflictRecord, ConflictResolve } from "../store/store.ts";
import { beyondCurrent } from "./beyond.ts";

/** A record to resolve, as it was read, and what somebody chose. */
export interface ResolveTask {
  readonly record: ConflictRecord;
  /** All that the record names, in order. */
  readonly operations: readonly SequencedOperation[];
  readonly choose: ResolveChoice;
  /** What the resolver has seen. Undefined: the current version. */
  readonly base?: number;
}

export interface Resolution {
  readonly resolve: ConflictResolve & { readonly record: ConflictRecord };
  /** The record of what the resolver had not seen. */
  readonly moved?: ConflictWrite;
}

export type Composed =
  | {
      readonly outcome: "accepted";
      readonly operations: readonly DecidedOperation[];
      readonly resolution: Resolution;
    }
  | {
      readonly outcome: "refused";
      readonly code: ErrorCode;
      readonly message: string;
      readonly details?: { readonly [key: string]: unknown };
    }
  | { readonly outcome: "needs_state"; readonly version: number };

export interface ResolveContext {
  /** What waits in the record now. */
  readonly waiting: readonly SequencedOperation[];
  readonly past: Past;
  readonly user: string;
  readonly newId: () => string;
  readonly limits: { readonly maxElements: number; readonly maxDocumentBytes: number };
}

/**
 * Composes a choice on top of a draft. Refused as `already_resolved` when the record is not any more what was read:
 * whoever asks reads it again.
 */
export function composeResolve(draft: Draft, task: ResolveTask, context: ResolveContext): Composed {
  const { record, choose } = task;
  const { waiting, user, newId } = context;
  const { version, memory } = draft.state;
  const base = task.base ?? version;
  if (record.resolvedAt !== null) {
    return { outcome: "refused", code: "already_resolved", message: "the conflict is resolved already" };
  }
  if (base > version) {
    return { outcome: "refused", ...beyondCurrent("base", version) };
  }
  const read = task.operations.filter(
    ({ status, conflict }) => status === "conflict" && conflict === record.id,
  );
  if (read.length !== waiting.length || read.some(({ id }, at) => waiting[at]?.id !== id)) {
    return { outcome: "refused", code: "already_resolved", message: "the conflict has changed meanwhile" };
  }
  const seen = read.filter((each) => each.version <= base);
  const unseen = read.filter((each) => each.version > base);
  const author = internAuthor(memory, user, "server");
  const mark = draft.mark();
  const operations: DecidedOperation[] = [];
  for (const change of changesOf(record.element, choose, seen)) {
    const operation = composed(draft, change, context.past);
    if (operation === undefined) continue;
    if (typeof operation === "number") {
      draft.rollback(mark);
      return { outcome: "needs_state", version: operation };
    }
    const named = { ...operation, id: newId() };
    const added = draft.add(named, author);
    operations.push({
      operation: named,
      version: added.version,
      base: version,
      author,
      collisions: [],
      outcome: "applied",
    });
  }
  const { size, growth } = draft;
  const over = exceeded(draft, mark, { size, growth }, context.limits);
  if (over !== undefined) {
    draft.rollback(mark);
    const { code, message, details } = over;
    return { outcome: "refused", code, message, details };
  }
  const resolve = {
    conflictId: record.id,
    resolvedBy: user,
    operations: seen.map(({ id }) => id),
    record,
  };
  const moved = unseen.length === 0 ? undefined : movedRecord(task, unseen, newId());
  return {
    outcome: "accepted",
    operations,
    resolution: { resolve, ...(moved === undefined ? {} : { moved }) },
  };
}

type Change = Omit<Operation, "id">;

function changesOf(
  element: string,
  choose: ResolveChoice,
  seen: readonly SequencedOperation[],
): readonly Change[] {
  if (choose === "current") return [];
  if (choose !== "incoming") {
    const { set, unset } = choose;
    return [
      {
        type: "update",
        element,
        ...(set === undefined ? {} : { set }),
        ...(unset === undefined ? {} : { unset }),
      },
    ];
  }
  return seen.map(({ type, props, set, unset, extra }) => ({
    type,
    element,
    ...(props === undefined ? {} : { props }),
    ...(set === undefined ? {} : { set }),
    ...(unset === undefined ? {} : { unset }),
    ...(extra === undefined ? {} : { extra }),
  }));
}

/** A change as it is sequenced: a number is the version whose state is to be read first, undefined is left out. */
function composed(draft: Draft, change: Change, past: Past): Change | number | undefined {
  const present = draft.element(change.element);
  if (change.type === "create" || present !== undefined) return change;
  if (change.type === "delete") return undefined;
  const last = lastState(draft, change.element, past);
  if (typeof last === "number") return last;
  const props = { ...last, ...change.set };
  for (const name of change.unset ?? []) delete props[name];
  const { extra } = change;
  return { type: "create", element: change.element, props, ...(extra === undefined ? {} : { extra }) };
}

/** What an absent element was before it was deleted; nothing, where the log does not say. */
function lastState(draft: Draft, element: string, past: Past): Properties | number {
  const deleted = draft.memory(element)?.life?.record;
  if (deleted === undefined || deleted.life !== "delete") return {};
  const before = past.element(element, deleted.version - 1);
  return before === undefined ? deleted.version - 1 : (before ?? {});
}

/** The record of what its resolver had not seen, with what that collided with. */
function movedRecord(
  { record, operations }: ResolveTask,
  unseen: readonly SequencedOperation[],
  id: string,
): ConflictWrite {
  const collided = new Set(unseen.flatMap((each) => collidedWith(each, operations).map((other) => other.id)));
  const touched = record.properties.filter((name) => unseen.some((each) => writesTo(each, name)));
  return {
    id,
    join: false,
    element: record.element,
    properties: touched.length === 0 ? record.properties : touched,
    resolution: "manual",
    resolvedBy: null,
    description: record.description,
    authors: record.authors,
    operations: [...collided, ...unseen.map((each) => each.id)],
  };
}

/** Of what a record names: the latest writes by others, after its base, to what a held-back operation writes. */
function collidedWith(
  held: SequencedOperation,
  named: readonly SequencedOperation[],
): readonly SequencedOperation[] {
  const before = named.filter(
    (other) =>
      other.status === "applied" &&
      other.version > held.base &&
      other.version < held.version &&
      (other.user !== held.user || other.client !== held.client),
  );
  const names = new Set(before.flatMap(namesOf));
  const latest = new Set<SequencedOperation>();
  for (const name of names) {
    const writers = before.filter((other) => writesTo(other, name));
    const last = writers.at(-1);
    if (last !== undefined && writesTo(held, name)) latest.add(last);
  }
  return latest.size > 0 ? [...latest] : before.slice(-1);
}

function namesOf({ type, props, set, unset, append, splice }: SequencedOperation): string[] {
  const whole = type === "create" || type === "delete" ? ["*"] : [];
  const fields = [props, set, append, splice].flatMap((each) => Object.keys(each ?? {}));
  return [...whole, ...fields, ...(unset ?? [])];
}
