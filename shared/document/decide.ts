/**
 * What becomes of a submit, without touching the committed state: base, then existence and fit in the author's view,
 * then the document's limits, then conflicts, in the order in which protocol section 2 lists the checks. Accepted
 * operations stand in the draft as if they were sequenced next, so that later submits are decided on top of them.
 */
import { type Collision, collide } from "./collide.ts";
import { internAuthor } from "./document-memory.ts";
import type { Draft } from "./draft.ts";
import type { Author, Operation } from "./operation.ts";
import { effectBytes } from "./size.ts";
import { checkView, type Misfit } from "./view.ts";

export { commitDraft, Draft } from "./draft.ts";
export type { Collision };

/** The operations of one submit, and what they are judged by. */
export interface SubmitToDecide {
  readonly ops: readonly Operation[];
  readonly base: number;
  readonly author: Author;
  /** `strict` refuses a submit that collides, `lww` lets the later in the order win. */
  readonly policy: "lww" | "strict";
  /** The lowest version that is still in the log. */
  readonly retainedFrom: number;
  /** Of the document; 0: no limit. */
  readonly limits: { readonly maxElements: number; readonly maxDocumentBytes: number };
}

/** An accepted operation as it is to be sequenced. */
export interface DecidedOperation {
  readonly operation: Operation;
  /** Tentative: as if the draft were committed next. */
  readonly version: number;
  readonly base: number;
  /** The one object that stands for the author in the document's memory. */
  readonly author: Author;
  /** Empty: not in conflict. */
  readonly collisions: readonly Collision[];
}

export type Decision =
  | { readonly outcome: "accepted"; readonly operations: readonly DecidedOperation[] }
  | {
      readonly outcome: "refused";
      readonly code:
        | "invalid_operation"
        | "element_not_found"
        | "base_too_old"
        | "too_large"
        | "version_conflict";
      readonly message: string;
      readonly details: { readonly [key: string]: unknown };
      /** Decided on top of operations that are not committed yet: true only once they are. */
      readonly tentative: boolean;
    }
  /** The memory knows nothing before `from`; a submit based below `from - 1` cannot be judged by it. */
  | { readonly outcome: "needs_log"; readonly from: number };

type Refused = Extract<Decision, { outcome: "refused" }>;

/** Decides a submit. Accepted, its operations are in the draft; otherwise the draft is what it was. */
export function decide(draft: Draft, submit: SubmitToDecide): Decision {
  const { state } = draft;
  const { base, policy, limits, retainedFrom } = submit;
  if (base > state.version) {
    return refuse(draft, "invalid_operation", `base is beyond the current version ${state.version}`, {
      path: "base",
    });
  }
  if (base < retainedFrom - 1) {
    return refuse(draft, "base_too_old", "base is older than the retained log", { path: "base" });
  }
  if (base < state.memory.since) return { outcome: "needs_log", from: state.memory.since + 1 };
  const author = internAuthor(state.memory, submit.author.user, submit.author.client);
  const mark = draft.mark();
  const operations: DecidedOperation[] = [];
  // What the operations would add to the document as they were submitted, beyond what is left of them.
  let takenOut = 0;
  for (let index = 0; index < submit.ops.length; index++) {
    const op = submit.ops[index];
    if (op === undefined) continue;
    const current = draft.element(op.element);
    const judged = { current, memory: draft.memory(op.element), base, author };
    const misfit =
      checkView(op, judged) ?? (op.splice === undefined ? undefined : splicedBefore(submit.ops, index));
    if (misfit !== undefined) {
      draft.rollback(mark);
      return refuse(draft, misfit.code, misfit.message, { path: `ops.${index}.${misfit.path}` });
    }
    const { operation, collisions } = collide(op, judged);
    if (operation !== op) takenOut += effectBytes(current, op) - effectBytes(current, operation);
    const { version } = draft.add(operation, author);
    operations.push({ operation, version, base, author, collisions });
  }
  const bytes = draft.growth + takenOut;
  const limit = exceeded(draft, mark, bytes, limits);
  const refused =
    limit ??
    (policy === "strict" && hasCollisions(operations) ? versionConflict(draft, operations) : undefined);
  if (refused === undefined) return { outcome: "accepted", operations };
  draft.rollback(mark);
  return { ...refused, tentative: isTentative(draft) };
}

/** A splice needs all that its author wrote to the property before in `base`: nothing of the same submit is. */
function splicedBefore(ops: readonly Operation[], index: number): Misfit | undefined {
  const op = ops[index];
  if (op?.splice === undefined) return undefined;
  for (let before = 0; before < index; before++) {
    const earlier = ops[before];
    if (earlier === undefined || earlier.element !== op.element) continue;
    for (const name of Object.keys(op.splice)) {
      if (!writesTo(earlier, name)) continue;
      const message = "its author's earlier writes to the property are not in base";
      return { code: "invalid_operation", path: `splice.${name}`, message };
    }
  }
  return undefined;
}

function writesTo({ type, set, unset, append, splice }: Operation, name: string): boolean {
  if (type === "create" || type === "delete") return true;
  if (unset?.includes(name) === true) return true;
  return [set, append, splice].some((fields) => fields !== undefined && Object.hasOwn(fields, name));
}

/** A submit that does not make the document larger is never over a limit: a batch may overshoot one. */
function exceeded(
  draft: Draft,
  before: { readonly size: number; readonly growth: number },
  growth: number,
  { maxElements, maxDocumentBytes }: SubmitToDecide["limits"],
): Refused | undefined {
  if (maxElements > 0 && draft.size > maxElements && draft.size > before.size) {
    return refuse(draft, "too_large", `at most ${maxElements} elements in a document`, {
      limit: "maxElements",
    });
  }
  if (maxDocumentBytes > 0 && draft.state.bytes + growth > maxDocumentBytes && growth > before.growth) {
    const message = `at most ${maxDocumentBytes} bytes in a document`;
    return refuse(draft, "too_large", message, { limit: "maxDocumentBytes" });
  }
  return undefined;
}

function hasCollisions(operations: readonly DecidedOperation[]): boolean {
  return operations.some(({ collisions }) => collisions.length > 0);
}

function versionConflict(draft: Draft, operations: readonly DecidedOperation[]): Refused {
  const conflicts = operations.flatMap(({ operation, collisions }) =>
    collisions.map((collision) => ({
      element: operation.element,
      property: collision.property,
      version: collision.with.version,
    })),
  );
  return refuse(draft, "version_conflict", `version conflict: expected ${draft.state.version}`, {
    conflicts,
  });
}

function refuse(draft: Draft, code: Refused["code"], message: string, details: Refused["details"]): Refused {
  return { outcome: "refused", code, message, details, tentative: isTentative(draft) };
}

function isTentative(draft: Draft): boolean {
  return draft.version > draft.state.version;
}
