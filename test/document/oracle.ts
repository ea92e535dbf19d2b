/**
 * Section 3 of the protocol written down naively: every question is answered by reading the whole log or by replaying
 * it. Slow and plain; what `decide` does with its memory is compared with it.
 */
import { applyOperation } from "../../shared/document/apply.ts";
import { type Elements, type Json, jsonEqual, own, type Properties } from "../../shared/document/json.ts";
import { mergeValues } from "../../shared/document/merge.ts";
import type { Author, Operation, SequencedOperation, SpliceEdit } from "../../shared/document/operation.ts";
import { applySplice } from "../../shared/document/splice.ts";

/** The merge of two lists of edits of one text of this length, gap by gap: the share of `edits`. */
export function naiveMove(
  edits: readonly SpliceEdit[],
  past: readonly SpliceEdit[],
  length: number,
  editsFirst: boolean,
): SpliceEdit[] {
  const mine = spread(edits, length);
  const theirs = spread(past, length);
  const moved: SpliceEdit[] = [];
  let place = 0;
  for (let gap = 0; gap <= length; gap++) {
    if (!editsFirst) place += theirs.inserted[gap]!.length;
    if (mine.inserted[gap] !== "") moved.push([place, 0, mine.inserted[gap]!]);
    if (editsFirst) place += theirs.inserted[gap]!.length;
    if (gap === length || theirs.deleted[gap]) continue;
    const last = moved.at(-1);
    // Units deleted one after the other are one edit: half a surrogate pair may not be deleted.
    if (mine.deleted[gap] && last !== undefined && last[2] === "" && last[0] + last[1] === place) {
      moved[moved.length - 1] = [last[0], last[1] + 1, ""];
    } else if (mine.deleted[gap]) {
      moved.push([place, 1, ""]);
    }
    place += 1;
  }
  return moved;
}

function spread(edits: readonly SpliceEdit[], length: number): { inserted: string[]; deleted: boolean[] } {
  const inserted = new Array<string>(length + 1).fill("");
  const deleted = new Array<boolean>(length).fill(false);
  for (const [position, count, insert] of edits) {
    inserted[position] += insert;
    deleted.fill(true, position, position + count);
  }
  return { inserted, deleted };
}

export type Policy = "lww" | "merge" | "manual" | "strict";

export interface NaiveDecision {
  readonly outcome: "accepted" | "invalid_operation" | "element_not_found" | "version_conflict";
  /** Of `invalid_operation` and `element_not_found`: the place. */
  readonly path?: string;
  /** Places that do not fit the author's view, which a memory of the latest writes alone need not know. */
  readonly doubtful: readonly string[];
  readonly operations: readonly Operation[];
  /** For each operation: what became of it. */
  readonly fates: readonly ("applied" | "merged" | "held")[];
  /** For each operation: `property|version`, sorted. */
  readonly collisions: readonly (readonly string[])[];
}

export function naiveDecide(
  log: readonly SequencedOperation[],
  ops: readonly Operation[],
  base: number,
  author: Author,
  policy: Policy,
): NaiveDecision {
  const held = new Set<string>();
  for (;;) {
    const decision = naivePass(log, ops, base, author, policy, held);
    const { collisions } = decision;
    // Held back with the submit's other operations on that element: judged again with all of them out of the way.
    const more = ops.filter(({ element }, at) => collisions[at]?.length && !held.has(element));
    if (policy !== "manual" || more.length === 0) return decision;
    for (const { element } of more) held.add(element);
  }
}

function naivePass(
  log: readonly SequencedOperation[],
  ops: readonly Operation[],
  base: number,
  author: Author,
  policy: Policy,
  held: ReadonlySet<string>,
): NaiveDecision {
  const sequenced = [...log];
  const operations: Operation[] = [];
  const collisions: string[][] = [];
  const doubtful: string[] = [];
  const fates: ("applied" | "merged" | "held")[] = [];
  for (const [index, op] of ops.entries()) {
    const judge = new Judge(sequenced, op, base, author, ops.slice(0, index));
    const isHeld = held.has(op.element);
    for (const misfit of judge.misfits()) {
      const path = `ops.${index}.${misfit.path}`;
      if (!misfit.doubtful)
        return { outcome: misfit.code, path, doubtful, operations: [], fates: [], collisions };
      doubtful.push(path);
    }
    const { operation: applied, found, merged } = judge.collide(policy === "merge");
    const operation = isHeld ? judge.heldBack() : applied;
    operations.push(operation);
    fates.push(isHeld ? "held" : merged ? "merged" : "applied");
    collisions.push([...found].sort());
    const { user, client } = author;
    const at = "2026-01-01T00:00:00.000Z";
    const status = isHeld ? "conflict" : "applied";
    const version = sequenced.length + 1;
    sequenced.push({ ...operation, version, base, status, session: "", user, client, at });
  }
  const conflicts = policy === "strict" && collisions.some((found) => found.length > 0);
  return { outcome: conflicts ? "version_conflict" : "accepted", doubtful, operations, fates, collisions };
}

class Judge {
  readonly log: readonly SequencedOperation[];
  /** What the author sees: the state at base, and all of its own after that. */
  readonly seen: readonly SequencedOperation[];
  readonly op: Operation;
  readonly base: number;
  readonly author: Author;
  readonly earlier: readonly Operation[];

  constructor(
    log: readonly SequencedOperation[],
    op: Operation,
    base: number,
    author: Author,
    earlier: readonly Operation[],
  ) {
    this.op = op;
    this.base = base;
    this.author = author;
    const ofElement = log.filter((each) => each.element === op.element);
    this.log = ofElement.filter((each) => each.status === "applied");
    this.seen = ofElement.filter((each) =>
      each.version <= base ? each.status === "applied" : this.isOwn(each),
    );
    this.earlier = earlier.filter((each) => each.element === op.element);
  }

  isOwn(op: SequencedOperation): boolean {
    return op.user === this.author.user && op.client === this.author.client;
  }

  replay(keep: (op: SequencedOperation) => boolean): Properties | undefined {
    const elements: Elements = new Map();
    for (const op of this.log) if (keep(op)) applyOperation(elements, op);
    return elements.get(this.op.element);
  }

  view(): Properties | undefined {
    const elements: Elements = new Map();
    for (const op of this.seen) applyOperation(elements, op);
    return elements.get(this.op.element);
  }

  othersSince(): SequencedOperation[] {
    return this.log.filter((op) => op.version > this.base && !this.isOwn(op));
  }

  ownSince(): SequencedOperation[] {
    return this.log.filter((op) => op.version > this.base && this.isOwn(op));
  }

  misfits(): { code: "invalid_operation" | "element_not_found"; path: string; doubtful: boolean }[] {
    const view = this.view();
    const { op } = this;
    if (op.type === "create") {
      return view === undefined ? [] : [{ code: "invalid_operation", path: "element", doubtful: false }];
    }
    if (view === undefined) return [{ code: "element_not_found", path: "element", doubtful: false }];
    const paths: { name: string; path: string; certain: boolean }[] = [];
    for (const name of Object.keys(op.append ?? {})) {
      const present = own(view, name);
      if (present !== undefined && !Array.isArray(present))
        paths.push({ name, path: `append.${name}`, certain: false });
    }
    for (const [name, edits] of Object.entries(op.splice ?? {})) {
      const present = own(view, name);
      const fits = typeof present === "string" && applySplice(present, edits) !== undefined;
      const certain = this.earlier.some((each) => writes(each, name));
      if (!fits || certain || this.seen.some((each) => each.version > this.base && writes(each, name))) {
        paths.push({ name, path: `splice.${name}`, certain });
      }
    }
    return paths.map(({ name, path, certain }) => {
      const doubtful = !certain && this.otherOverwrite(name, this.othersSince()) !== undefined;
      return { code: "invalid_operation", path, doubtful };
    });
  }

  /** The author's value of a property that it appends to or splices. */
  wanted(name: string, view: Properties | undefined): Json | undefined {
    const before = own(view, name);
    const items = own(this.op.append, name);
    if (items !== undefined) return [...((before ?? []) as Json[]), ...items];
    const edits = own(this.op.splice, name);
    return edits === undefined || typeof before !== "string"
      ? own(this.op.set, name)
      : applySplice(before, edits);
  }

  heldBack(): Operation {
    const { append, splice, set, ...rest } = this.op;
    const names = [...Object.keys(append ?? {}), ...Object.keys(splice ?? {})];
    const wanted = Object.fromEntries(names.map((name) => [name, this.wanted(name, this.view())!]));
    return { ...rest, ...(set === undefined && names.length === 0 ? {} : { set: { ...set, ...wanted } }) };
  }

  collide(merges: boolean): { operation: Operation; found: Set<string>; merged: boolean } {
    const { op } = this;
    const found = new Set<string>();
    const others = this.othersSince();
    const lastCreated = Math.max(
      this.base,
      ...this.ownSince()
        .filter((each) => each.type === "create")
        .map((each) => each.version),
    );
    const life = others.filter((each) => each.type === "create" || each.type === "delete");
    const present = this.replay(() => true);
    const add = (property: string | null, other: SequencedOperation): void => {
      found.add(`${isLife(op) || isLife(other) ? null : property}|${other.version}`);
    };
    if (op.type === "create") {
      const latest = life.at(-1);
      if (latest?.type === "create") add(null, latest);
      for (const name of this.names()) {
        const other = others.filter((each) => writes(each, name)).at(-1);
        if (other === undefined || isLife(other)) continue;
        if (!jsonEqual(this.valueAfter(other, name), own(op.props, name))) add(null, other);
      }
      return { operation: op, found, merged: false };
    }
    const gone = life.some((each) => each.type === "delete" && each.version > lastCreated);
    const latestLife = life.at(-1);
    if (op.type === "delete") {
      if (gone && present !== undefined) add(null, latestLife!);
      for (const name of this.names()) {
        const other = others.filter((each) => writes(each, name)).at(-1);
        if (other !== undefined && !isLife(other) && other.unset?.includes(name) !== true) add(null, other);
      }
      return { operation: op, found, merged: false };
    }
    const kept: {
      set: [string, Json][];
      unset: string[];
      append: [string, readonly Json[]][];
      splice: [string, readonly SpliceEdit[]][];
    } = { set: [], unset: [], append: [], splice: [] };
    for (const [name, wanted] of Object.entries(op.set ?? {})) {
      this.compare(name, wanted, others, add);
      if (gone) add(null, latestLife!);
      else kept.set.push([name, wanted]);
    }
    for (const name of op.unset ?? []) {
      this.compare(name, undefined, others, add);
      if (gone && present !== undefined) add(null, latestLife!);
      else kept.unset.push(name);
    }
    for (const [name, items] of Object.entries(op.append ?? {})) {
      const overwritten = this.otherOverwrite(name, others);
      if (gone) add(null, latestLife!);
      if (overwritten !== undefined) add(name, overwritten);
      else kept.append.push([name, items]);
    }
    for (const [name, edits] of Object.entries(op.splice ?? {})) {
      const overwritten = this.otherOverwrite(name, others);
      if (gone) add(null, latestLife!);
      if (overwritten !== undefined) add(name, overwritten);
      else kept.splice.push([name, this.moved(name, edits)]);
    }
    const { set: _set, unset: _unset, append: _append, splice: _splice, ...rest } = op;
    const operation: { -readonly [Field in keyof Operation]: Operation[Field] } = {
      ...rest,
      ...(kept.set.length > 0 ? { set: Object.fromEntries(kept.set) } : {}),
      ...(kept.unset.length > 0 ? { unset: kept.unset } : {}),
      ...(kept.append.length > 0 ? { append: Object.fromEntries(kept.append) } : {}),
      ...(kept.splice.length > 0 ? { splice: Object.fromEntries(kept.splice) } : {}),
    };
    let merged = false;
    for (const place of merges && !gone ? found : []) {
      const name = place.slice(0, place.lastIndexOf("|"));
      if (name === "null" || this.seen.some((each) => each.version > this.base && writes(each, name)))
        continue;
      const atBase = this.replay((each) => each.version <= this.base);
      const value = mergeValues(own(atBase, name), own(present, name), this.wanted(name, atBase));
      if (value === undefined) continue;
      operation.set = { ...operation.set, [name]: value };
      merged = true;
    }
    return { operation, found, merged };
  }

  compare(
    name: string,
    wanted: Json | undefined,
    others: readonly SequencedOperation[],
    add: (property: string | null, other: SequencedOperation) => void,
  ): void {
    const other = others.filter((each) => writes(each, name)).at(-1);
    if (other === undefined || other.type === "delete") return;
    if (!jsonEqual(this.valueAfter(other, name), wanted)) add(name, other);
  }

  otherOverwrite(name: string, others: readonly SequencedOperation[]): SequencedOperation | undefined {
    const other = others.filter((each) => overwrites(each, name)).at(-1);
    const mine = this.ownSince()
      .filter((each) => overwrites(each, name))
      .at(-1);
    return other !== undefined && (mine === undefined || mine.version < other.version) ? other : undefined;
  }

  moved(name: string, edits: readonly SpliceEdit[]): readonly SpliceEdit[] {
    let moved = edits;
    for (const other of this.othersSince()) {
      const past = other.splice?.[name];
      if (past === undefined) continue;
      const before = own(
        this.replay((each) => each.version < other.version),
        name,
      ) as string;
      moved = naiveMove(moved, past, before.length, false);
    }
    return moved;
  }

  valueAfter(other: SequencedOperation, name: string): Json | undefined {
    return own(
      this.replay((each) => each.version <= other.version),
      name,
    );
  }

  /** Every property that anything here names. */
  names(): Set<string> {
    return new Set([...this.log, this.op].flatMap((op) => [...Object.keys(op.props ?? {}), ...namesOf(op)]));
  }
}

function namesOf({ set, unset, append, splice }: Operation): string[] {
  return [
    ...Object.keys(set ?? {}),
    ...(unset ?? []),
    ...Object.keys(append ?? {}),
    ...Object.keys(splice ?? {}),
  ];
}

function isLife({ type }: Operation): boolean {
  return type === "create" || type === "delete";
}

function writes(op: Operation, name: string): boolean {
  return isLife(op) || namesOf(op).includes(name);
}

function overwrites(op: Operation, name: string): boolean {
  return isLife(op) || Object.hasOwn(op.set ?? {}, name) || op.unset?.includes(name) === true;
}
