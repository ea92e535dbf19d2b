/**
 * What becomes of a submit, without touching the committed state: base, then existence and fit in the author's view,
 * then the document's limits, then conflicts, in the order in which protocol section 2 lists the checks. Accepted
 * operations stand in the draft as if they were sequenced next, so that later submits are decided on top of them.
 */
import { internAuthor } from "./document-memory.ts";
import type { Draft } from "./draft.ts";
import { type DecidedOperation, type DocumentLimits, Judgement, type SubmitToDecide } from "./judgement.ts";

export { commitDraft, Draft } from "./draft.ts";
export type { DecidedOperation, DocumentLimits, SubmitToDecide } from "./judgement.ts";

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
  | { readonly outcome: "needs_log"; readonly from: number }
  /** The state at this version, and what the author did since, are not at hand. */
  | { readonly outcome: "needs_state"; readonly version: number };

type Refused = Extract<Decision, { outcome: "refused" }>;

const nothingHeld: ReadonlySet<string> = new Set();

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
  let judged = new Judgement(draft, submit, author, nothingHeld).run();
  if (judged.outcome === "collides") {
    draft.rollback(mark);
    judged = new Judgement(draft, submit, author, judged.elements).run();
  }
  switch (judged.outcome) {
    case "accepted":
      break;
    case "collides":
      throw new Error("an operation collides only when it is judged a second time");
    case "needs_state":
      draft.rollback(mark);
      return { outcome: "needs_state", version: base };
    case "misfit": {
      draft.rollback(mark);
      const { code, message, path } = judged;
      return refuse(draft, code, message, { path });
    }
  }
  const { operations } = judged;
  const refused =
    exceeded(draft, mark, judged, limits) ??
    (policy === "strict" && hasCollisions(operations) ? versionConflict(draft, operations) : undefined);
  if (refused === undefined) return { outcome: "accepted", operations };
  draft.rollback(mark);
  return { ...refused, tentative: isTentative(draft) };
}

interface DraftSize {
  readonly size: number;
  readonly growth: number;
}

/** Over a limit, if anything. A submit that does not make the document larger never is: a batch may overshoot one. */
export function exceeded(
  draft: Draft,
  before: DraftSize,
  after: DraftSize,
  { maxElements, maxDocumentBytes }: DocumentLimits,
): Refused | undefined {
  if (maxElements > 0 && after.size > maxElements && after.size > before.size) {
    return refuse(draft, "too_large", `at most ${maxElements} elements in a document`, {
      limit: "maxElements",
    });
  }
  if (
    maxDocumentBytes > 0 &&
    draft.state.bytes + after.growth > maxDocumentBytes &&
    after.growth > before.growth
  ) {
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
