/** Invariants of what was submitted: R2, R3, and what the protocol's rules make of each submit (R7), read naively. */
import type { SequencedOperation } from "../../client/index.ts";
import { type Json, jsonEqual } from "../../shared/document/json.ts";
import type { Author, Operation } from "../../shared/document/operation.ts";
import type { ConflictPolicy, Reject } from "../../shared/protocol/messages.ts";
import { naiveDecide } from "../document/oracle.ts";
import type { Board } from "./board.ts";
import { type Evidence, mayEdit, rulesAt } from "./evidence.ts";
import { edit, replay } from "./replay.ts";

interface Copy {
  readonly base: number;
  readonly ops: readonly Operation[];
  readonly order: number;
  readonly atMs: number;
}

/** A submit, by the id of its first operation: the same one may have been sent on several connections. */
interface Submitted {
  readonly author: Author;
  readonly copies: Copy[];
  readonly rejects: { readonly reject: Reject; readonly atMs: number }[];
}

export function fateProblems(board: Board, evidence: Evidence): string[] {
  return new Fates(board, evidence).problems;
}

class Fates {
  readonly problems: string[] = [];
  readonly #board: Board;
  readonly #evidence: Evidence;
  readonly #logged = new Map<string, SequencedOperation>();
  readonly #submits = new Map<string, Submitted>();
  /** Operation id → its author; every id that ever left a client. */
  readonly #authors = new Map<string, Author>();

  constructor(board: Board, evidence: Evidence) {
    this.#board = board;
    this.#evidence = evidence;
    for (const op of evidence.log) {
      if (this.#logged.has(op.id)) this.problems.push(`R2: ${op.id} is in the log twice`);
      this.#logged.set(op.id, op);
    }
    for (const { ops, user, client } of board.restEdits)
      for (const { id } of ops) this.#authors.set(id, { user, client });
    this.#readSessions();
    this.#checkRest();
    this.#checkLog();
    this.#checkOrder();
    for (const submitted of this.#submits.values()) this.#judge(submitted);
  }

  #readSessions(): void {
    for (const { frames, hello, user } of this.#board.records.sessions) {
      const author = { user, client: hello?.clientId ?? "" };
      const bySeq = new Map<number, Submitted>();
      for (const { message, order, atMs } of frames) {
        if (message.type === "submit") {
          const { base, ops, seq } = message;
          const key = ops[0]?.id ?? "";
          const submitted = this.#submits.get(key) ?? { author, copies: [], rejects: [] };
          this.#submits.set(key, submitted);
          // A repetition under its old number is the same copy.
          if (bySeq.get(seq) !== submitted) submitted.copies.push({ base, ops, order, atMs });
          bySeq.set(seq, submitted);
          for (const { id } of ops) this.#authors.set(id, author);
        } else if (message.type === "ack") {
          for (const [index, { id }] of (bySeq.get(message.seq)?.copies.at(-1)?.ops ?? []).entries())
            if (this.#logged.get(id)?.version !== message.versions[index])
              this.problems.push(
                `R2: ${id} was acknowledged at ${message.versions[index]}, and is not there`,
              );
        } else if (message.type === "reject") {
          if (message.code !== "unavailable" && message.code !== "rate_limited")
            bySeq.get(message.seq)?.rejects.push({ reject: message, atMs });
        }
      }
    }
  }

  #checkRest(): void {
    for (const { ops, versions, status, kind, user, version, to } of this.#board.restEdits) {
      if (kind === "script" && status !== 200) {
        for (const { id } of ops)
          if (this.#logged.has(id)) this.problems.push(`R2: a script's ${id} was refused and is in the log`);
        continue;
      }
      if (status !== 200) continue;
      for (const [index, at] of versions.entries()) {
        const op = this.#evidence.log[at - 1];
        const right = op !== undefined && op.user === user && (kind !== "script" || op.id === ops[index]?.id);
        if (!right) this.problems.push(`R2: a ${kind} was acknowledged at ${at}, where another operation is`);
      }
      if (to !== undefined && !jsonEqual(this.#state(version), this.#state(to)))
        this.problems.push(`restore: the content at ${version} is not that at ${to}`);
    }
  }

  readonly #states = new Map<number, Json>();
  #state(version: number): Json {
    const known = this.#states.get(version);
    if (known !== undefined) return known;
    const state = Object.fromEntries(replay(this.#evidence.log, version)) as Json;
    this.#states.set(version, state);
    return state;
  }

  /** Nothing that nobody asked for; each operation allowed by the rules in force at its version (R3, R7, R8). */
  #checkLog(): void {
    const composed = new Set(
      this.#board.restEdits.flatMap(({ kind, versions }) => (kind === "script" ? [] : versions)),
    );
    const records = new Map(this.#evidence.conflicts.map((conflict) => [conflict.id, conflict]));
    for (const op of this.#evidence.log) {
      const { id, version, user, client, conflict, status } = op;
      const rules = rulesAt(this.#board, version);
      if (!mayEdit(rules, user)) this.problems.push(`R8: version ${version} is by ${user}, who may not edit`);
      if (rules.state !== "active")
        this.problems.push(`R8: version ${version} was accepted while ${rules.state}`);
      const record = conflict === undefined ? undefined : records.get(conflict);
      if (conflict !== undefined && record === undefined)
        this.problems.push(`R7: version ${version} names conflict ${conflict}, which is nowhere`);
      if (client === "server") {
        const resolved = record?.resolution === "manual" && record.resolvedBy === user;
        if (!composed.has(version) && !resolved)
          this.problems.push(`R3: nobody asked for version ${version} (${op.type} by ${user})`);
        continue;
      }
      const author = this.#authors.get(id);
      if (author === undefined || author.user !== user || author.client !== client)
        this.problems.push(`R3: version ${version} (${id}) was submitted by ${JSON.stringify(author)}`);
      if (status === "applied" && record !== undefined && rules.conflictPolicy === "strict")
        this.problems.push(`R7: version ${version} is in a conflict, under strict`);
      if (status !== "applied" && rules.conflictPolicy !== "manual")
        this.problems.push(`R7: version ${version} is held back, under ${rules.conflictPolicy}`);
      if (status !== "applied" && record?.resolution !== "manual")
        this.problems.push(`R7: version ${version} is ${status}, of record ${JSON.stringify(record)}`);
      if (record !== undefined && !record.operations.includes(id))
        this.problems.push(`R7: record ${record.id} does not name ${id}, which belongs to it`);
    }
    for (const record of this.#evidence.conflicts) {
      const waiting = this.#evidence.log.some((op) => op.conflict === record.id && op.status === "conflict");
      if (waiting !== (record.resolvedBy === null))
        this.problems.push(`R7: record ${record.id} is by ${record.resolvedBy}; operations wait: ${waiting}`);
      if (record.resolution !== "manual" && record.resolvedBy !== "system")
        this.problems.push(`R7: record ${record.id} of ${record.resolution} is by ${record.resolvedBy}`);
      for (const id of record.operations)
        if (!this.#logged.has(id)) this.problems.push(`R7: record ${record.id} names ${id}, in no log`);
    }
  }

  /** Each client's order, and nothing before what had been seen when it was submitted (R3). */
  #checkOrder(): void {
    const moments: { order: number; seen: number; submit?: Submitted }[] = [];
    for (const submit of this.#submits.values())
      moments.push({ order: submit.copies[0]?.order ?? 0, seen: 0, submit });
    for (const { frames } of this.#board.records.sessions) {
      for (const { message, order } of frames) {
        if (message.type === "ops" || message.type === "welcome")
          moments.push({ order, seen: message.ops.at(-1)?.version ?? 0 });
      }
    }
    moments.sort((a, b) => a.order - b.order);
    let seen = 0;
    const lastOf = new Map<string, number>();
    for (const moment of moments) {
      seen = Math.max(seen, moment.seen);
      if (moment.submit === undefined) continue;
      const { author, copies, rejects } = moment.submit;
      // A copy of an earlier, lost connection may come in late, when the last one was refused.
      const stray = copies.length > 1 && rejects.length > 0;
      const key = JSON.stringify(author);
      let last = lastOf.get(key) ?? 0;
      for (const { id } of copies[0]?.ops ?? []) {
        const version = this.#logged.get(id)?.version;
        if (version === undefined) continue;
        if (version <= seen)
          this.problems.push(`R3: ${id} got ${version}, and ${seen} was seen before it was sent`);
        if (version < last && !stray)
          this.problems.push(
            `R3: ${author.user}'s ${id} is at ${version}, before its earlier one at ${last}`,
          );
        last = Math.max(last, version);
      }
      lastOf.set(key, last);
    }
  }

  #judge(submitted: Submitted): void {
    const { copies, rejects, author } = submitted;
    const ids = copies[0]?.ops.map(({ id }) => id) ?? [];
    const ops = ids.flatMap((id) => this.#logged.get(id) ?? []);
    const first = ops[0];
    for (const { reject, atMs } of rejects) {
      if (first !== undefined && copies.length === 1)
        this.problems.push(
          `R2: ${ids.join()} was refused (${reject.code}) and is in the log at ${first.version}`,
        );
      this.#justify(submitted, reject, atMs);
    }
    if (first === undefined) return;
    if (ops.length < ids.length || ops.some(({ version }, index) => version !== first.version + index)) {
      this.problems.push(`R2: a submit is in the log as ${ops.map(({ version }) => version).join()} only`);
      return;
    }
    // As the naive reading of the rules has it, for one of the copies.
    const before = this.#evidence.log.slice(0, first.version - 1);
    const policy = rulesAt(this.#board, first.version).conflictPolicy;
    const readings = copies.map((copy) => naiveDecide(before, copy.ops, copy.base, author, policy));
    const fits = readings.some(
      ({ outcome, operations, fates, collisions }) =>
        outcome === "accepted" &&
        ops.every(
          (op, index) =>
            (op.status !== "applied") === (fates[index] === "held") &&
            (op.conflict !== undefined) ===
              (fates[index] === "held" || (collisions[index]?.length ?? 0) > 0) &&
            jsonEqual(this.#effect(op, op.version), this.#effect(operations[index] as Operation, op.version)),
        ),
    );
    if (!fits)
      this.problems.push(
        `R7: under ${policy}, ${JSON.stringify({ copies, logged: ops, readings })} does not follow the rules`,
      );
  }

  /** What an operation does at a version: empty fields say nothing, and one edit of a text may be spelled in many ways. */
  #effect({ type, element, props, ...writes }: Operation, version: number): Json {
    const { set, unset, append, splice } = writes;
    const said = Object.entries({ set, unset, append }).filter(
      ([, value]) => value !== undefined && Object.keys(value).length > 0,
    );
    const before = replay(this.#evidence.log, version - 1).get(element) ?? {};
    const texts = Object.entries(splice ?? {}).map(([name, edits]) => [name, edit(before[name], edits)]);
    return {
      type,
      element,
      props: props ?? null,
      ...Object.fromEntries(said),
      texts: Object.fromEntries(texts),
    } as Json;
  }

  /** A refusal needs a reason that held at some moment between the question and the answer. */
  #justify({ copies, author }: Submitted, reject: Reject, atMs: number): void {
    const copy = copies.at(-1);
    if (copy === undefined) return;
    const meanwhile = this.#rulesBetween(copy.atMs, atMs);
    const { code, version } = reject;
    const reason = {
      forbidden: () => meanwhile.some((rules) => !mayEdit(rules, author.user)),
      not_active: () => meanwhile.some(({ state }) => state !== "active"),
      locked: () => this.#lockedBetween(copy, author, atMs),
      version_conflict: () => this.#refusedBy("strict", copy, author, version) === "version_conflict",
    }[code as string];
    if (reason?.() === true) return;
    const policies = meanwhile.map(({ conflictPolicy }) => conflictPolicy);
    const naive = policies.map((policy) => this.#refusedBy(policy, copy, author, version));
    const elements = new Set(copy.ops.map(({ element }) => element));
    const log = this.#evidence.log.filter(({ element }) => elements.has(element));
    this.problems.push(
      `refused without a reason: ${JSON.stringify({ author, reject, copy, policies, naive, log })}`,
    );
  }

  #refusedBy(policy: ConflictPolicy, copy: Copy, author: Author, version: number): string {
    return naiveDecide(this.#evidence.log.slice(0, version), copy.ops, copy.base, author, policy).outcome;
  }

  #rulesBetween(fromMs: number, toMs: number) {
    const made = [...this.#board.changes].sort(
      (a, b) => a.document.metadataVersion - b.document.metadataVersion,
    );
    return made.flatMap((change, index) => {
      const until = made[index + 1]?.answeredAtMs ?? Number.POSITIVE_INFINITY;
      return change.sentAtMs <= toMs && until >= fromMs ? [change.document] : [];
    });
  }

  #lockedBetween({ ops, atMs }: Copy, { user, client }: Author, toMs: number): boolean {
    const elements = new Set(ops.map(({ element }) => element));
    return this.#evidence.locks.some((lock) => {
      const endMs = this.#evidence.lockEnds.get(lock.id)?.atMs ?? Number.POSITIVE_INFINITY;
      const others = lock.user !== user || lock.client !== client;
      const covers = lock.element === null || elements.has(lock.element);
      return others && covers && lock.acquiredAtMs <= toMs + 1 && endMs >= atMs - 1;
    });
  }
}
