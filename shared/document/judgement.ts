/**
 * One pass over the operations of a submit, in order: each is judged against the author's view, compared with what
 * others wrote since, and put into the draft as the document's policy has it.
 *
 * Under `manual` an operation that collides is held back with the submit's others on its element, earlier ones too.
 * Which elements those are shows only when all is judged: a pass that finds some says so, and the next one is told.
 */
import { type Collided, type Collision, collide } from "./collide.ts";
import type { Draft } from "./draft.ts";
import type { WriteRecord } from "./element-memory.ts";
import { type Json, own, type Properties } from "./json.ts";
import { mergeValues } from "./merge.ts";
import type { Author, Operation } from "./operation.ts";
import {
  type AuthorView,
  authorView,
  checkWholeView,
  heldBack,
  type Past,
  wantedValue,
  writesTo,
} from "./past.ts";
import { effectBytes } from "./size.ts";
import { checkView, type Misfit } from "./view.ts";

/** Of a document; 0: no limit. */
export interface DocumentLimits {
  readonly maxElements: number;
  readonly maxDocumentBytes: number;
}

/** The operations of one submit, and what they are judged by. */
export interface SubmitToDecide {
  readonly ops: readonly Operation[];
  readonly base: number;
  readonly author: Author;
  /** What happens to a collision: `lww` lets the later in the order win, `strict` refuses the submit. */
  readonly policy: "lww" | "merge" | "manual" | "strict";
  /** The lowest version that is still in the log. */
  readonly retainedFrom: number;
  readonly limits: DocumentLimits;
  /** What `merge` and `manual`, and authors with held-back operations, need of the past. Absent: there is none. */
  readonly past?: Past;
}

/** An accepted operation as it is to be sequenced. */
export interface DecidedOperation {
  readonly operation: Operation;
  /** Tentative: as if the draft were committed next. */
  readonly version: number;
  readonly base: number;
  /** The one object that stands for the author in the document's memory. */
  readonly author: Author;
  /** Empty: not in conflict, or held back beside another of its submit. */
  readonly collisions: readonly Collision[];
  readonly outcome: "applied" | "merged" | "held";
  /** Of a held-back operation: the latest write that any of its submit's on the element collides with. */
  readonly beside?: WriteRecord;
}

/** What a pass comes to; but for `accepted`, the draft has to be rolled back. */
export type Judged =
  | {
      readonly outcome: "accepted";
      readonly operations: readonly DecidedOperation[];
      /** Of the draft, as if all applied as submitted. */
      readonly growth: number;
      readonly size: number;
    }
  | ({ readonly outcome: "misfit" } & Misfit)
  /** Values of the past are not at hand. */
  | { readonly outcome: "needs_state" }
  /** Under `manual`: elements whose operations are to be held back. */
  | { readonly outcome: "collides"; readonly elements: ReadonlySet<string> };

type Stop = Exclude<Judged, { outcome: "accepted" | "collides" }>;

export class Judgement {
  readonly #draft: Draft;
  readonly #submit: SubmitToDecide;
  /** Interned in the document's memory. */
  readonly #author: Author;
  /** Elements whose operations are held back. */
  readonly #held: ReadonlySet<string>;
  #operations: DecidedOperation[] = [];
  // Made when there is something to put in: this runs once a submit.
  #colliding: Set<string> | undefined;
  #createdHeld: Set<string> | undefined;
  /** What the operations would add to the document as they were submitted, beyond what is left of them. */
  #takenOut = 0;

  constructor(draft: Draft, submit: SubmitToDecide, author: Author, held: ReadonlySet<string>) {
    this.#draft = draft;
    this.#submit = submit;
    this.#author = author;
    this.#held = held;
  }

  run(): Judged {
    const { ops } = this.#submit;
    for (let index = 0; index < ops.length; index++) {
      const op = ops[index];
      // What is held back is judged in the next pass, where nothing before it on the element is applied.
      if (op === undefined || this.#colliding?.has(op.element) === true) continue;
      const stop = this.#judge(op, index);
      if (stop === undefined) continue;
      // One of those left for the next pass may not fit either: the first is told.
      if (stop.outcome === "misfit" && this.#colliding !== undefined) break;
      return stop;
    }
    if (this.#colliding !== undefined) return { outcome: "collides", elements: this.#colliding };
    const { growth, size } = this.#draft;
    return {
      outcome: "accepted",
      operations: this.#held.size === 0 ? this.#operations : this.#besides(),
      growth: growth + this.#takenOut,
      size: size + (this.#createdHeld?.size ?? 0),
    };
  }

  #judge(op: Operation, index: number): Stop | undefined {
    const draft = this.#draft;
    const { base, past } = this.#submit;
    const { element } = op;
    const author = this.#author;
    const current = draft.element(element);
    const judged = { current, memory: draft.memory(element), base, author };
    const held = this.#held.has(element);
    const whole =
      past?.hasHeldBack(element, author, base) === true ||
      draft.holds(element, author) ||
      (held && (op.append !== undefined || op.splice !== undefined));
    const view = whole ? this.#view(element) : undefined;
    if (whole && view === undefined) return { outcome: "needs_state" };
    const misfit =
      (view === undefined ? checkView(op, judged) : checkWholeView(op, view)) ??
      (op.splice === undefined ? undefined : splicedBefore(this.#submit.ops, index));
    if (misfit !== undefined) return misfitAt(index, misfit);
    const collided = collide(op, judged);
    if (held) {
      this.#hold(op, current, collided, view);
      return undefined;
    }
    if (collided.collisions.length === 0 || this.#submit.policy === "lww") {
      this.#apply(op, current, collided, "applied");
      return undefined;
    }
    return this.#resolve(op, index, current, collided, view);
  }

  /** What the policy makes of a collision. */
  #resolve(
    op: Operation,
    index: number,
    current: Properties | undefined,
    collided: Collided,
    known: AuthorView | undefined,
  ): Stop | undefined {
    switch (this.#submit.policy) {
      case "manual":
        this.#colliding ??= new Set();
        this.#colliding.add(op.element);
        return undefined;
      case "merge": {
        if (!mayMerge(collided)) break;
        const view = known ?? this.#view(op.element);
        if (view === undefined) return { outcome: "needs_state" };
        const misfit = checkWholeView(op, view);
        if (misfit !== undefined) return misfitAt(index, misfit);
        const merged = mergeCollided(op, collided, current, view);
        if (merged === undefined) break;
        this.#apply(op, current, { ...collided, operation: merged }, "merged");
        return undefined;
      }
    }
    this.#apply(op, current, collided, "applied");
    return undefined;
  }

  #apply(
    op: Operation,
    current: Properties | undefined,
    { operation, collisions }: Collided,
    outcome: "applied" | "merged",
  ): void {
    const author = this.#author;
    if (operation !== op) this.#takenOut += effectBytes(current, op) - effectBytes(current, operation);
    const { version } = this.#draft.add(operation, author);
    this.#decided({ operation, version, base: this.#submit.base, author, collisions, outcome });
  }

  #hold(op: Operation, current: Properties | undefined, { collisions }: Collided, view?: AuthorView): void {
    const author = this.#author;
    const operation = heldBack(op, view?.now);
    this.#takenOut += effectBytes(current, op);
    if (op.type === "create" && current === undefined) {
      this.#createdHeld ??= new Set();
      this.#createdHeld.add(op.element);
    }
    const { version } = this.#draft.hold(operation, author);
    const { base } = this.#submit;
    this.#decided({ operation, version, base, author, collisions, outcome: "held" });
  }

  #decided(operation: DecidedOperation): void {
    // Most submits have one operation, and a push into an empty list makes place for seventeen.
    if (this.#operations.length === 0) this.#operations = [operation];
    else this.#operations.push(operation);
  }

  #view(element: string): AuthorView | undefined {
    const { past, base } = this.#submit;
    return past === undefined
      ? undefined
      : authorView(past, this.#draft, { element, author: this.#author, base });
  }

  /** Names for each held-back operation what the record of its element is found by. */
  #besides(): DecidedOperation[] {
    const latest = new Map<string, WriteRecord>();
    for (const { operation, collisions, outcome } of this.#operations) {
      if (outcome !== "held") continue;
      for (const collision of collisions) {
        const before = latest.get(operation.element);
        if (before === undefined || collision.with.version > before.version)
          latest.set(operation.element, collision.with);
      }
    }
    return this.#operations.map((each) => {
      const beside = each.outcome === "held" ? latest.get(each.operation.element) : undefined;
      return beside === undefined ? each : { ...each, beside };
    });
  }
}

function misfitAt(index: number, { code, message, path }: Misfit): Stop {
  return { outcome: "misfit", code, message, path: `ops.${index}.${path}` };
}

/** Whether a value stands against a value anywhere: where one side is a creation or deletion the later one wins. */
function mayMerge({ operation, collisions, deleted }: Collided): boolean {
  if (deleted || operation.type === "create" || operation.type === "delete") return false;
  return collisions.some(({ property }) => property !== null);
}

/** The operation with what colliding properties merge to; undefined where none does. */
function mergeCollided(
  op: Operation,
  { operation, collisions }: Collided,
  current: Properties | undefined,
  { atBase, own: since }: AuthorView,
): Operation | undefined {
  let set: { [name: string]: Json } | undefined;
  for (const { property } of collisions) {
    if (property === null || since.some((each) => writesTo(each, property))) continue;
    const merged = mergeValues(
      own(atBase, property),
      own(current, property),
      wantedValue(op, property, atBase),
    );
    if (merged !== undefined) set = { ...set, [property]: merged };
  }
  return set === undefined ? undefined : { ...operation, set: { ...operation.set, ...set } };
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
