/**
 * A small server in one process, for simulations of the SDK: one document, the protocol's rules by `shared/document`,
 * faults on demand. It knows no sockets: a session is a function that takes frames.
 */
import { commitDraft, Draft, decide } from "../../shared/document/decide.ts";
import type { Json, Properties } from "../../shared/document/json.ts";
import type { Operation, SequencedOperation } from "../../shared/document/operation.ts";
import { readOperation } from "../../shared/document/operation.ts";
import { applySequenced, createState, type DocumentState } from "../../shared/document/state.ts";
import type {
  Auth,
  ClientMessage,
  DocumentMetadata,
  Hello,
  Reject,
  ResolveCommand,
  ServerMessage,
  SessionLimits,
  Submit,
} from "../../shared/protocol/messages.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { ModelLocks } from "./model-locks.ts";

export interface ModelSession {
  readonly id: string;
  readonly user: string;
  client: string;
  send(message: ServerMessage): void;
  greeted: boolean;
  nextSeq: number;
}

export interface ModelFaults {
  /** Of 1: a submit answered `unavailable`, stored or not. */
  readonly unavailable: number;
  readonly rateLimited: number;
  /** A resuming client gets a snapshot though it would not need one. */
  readonly snapshot: number;
}

const at = "2026-01-31T12:00:00.000Z";
export const modelLimits: SessionLimits = {
  maxMessageBytes: 65_536,
  maxServerMessageBytes: 65_536,
  maxOpsPerSubmit: 5,
  maxInFlight: 4,
  maxPresenceBytes: 4096,
  opsPerSecond: 0,
  presencePerSecond: 60,
};

export class ModelServer {
  log: SequencedOperation[] = [];
  retainedFrom = 1;
  /** Every refusal that was sent. */
  readonly rejects: Reject[] = [];
  /** States by version, for snapshots of an earlier one. */
  #states: (readonly [string, Properties][])[] = [[]];
  #state: DocumentState = createState();
  #known = new Map<string, SequencedOperation>();
  /** Operations that a restored backup lost, with the version that they had. */
  readonly #abandoned = new Map<string, number>();
  #others = 0;
  /** Versions at which a submit ended. */
  readonly #ends = new Set<number>();
  readonly #sessions = new Set<ModelSession>();
  readonly #random: SeededRandom;
  readonly #policy: "lww" | "strict";
  readonly locks = new ModelLocks();
  /** What a test makes of `auth`. */
  auth: ((session: ModelSession, command: Auth) => void) | undefined;
  /** What a test makes of `resolve`. */
  resolve: ((session: ModelSession, command: ResolveCommand) => void) | undefined;
  /** Operations that a test holds back: the id of the record. */
  holdsBack: ((operation: Operation) => string | undefined) | undefined;
  /** The server dies at that point of a submit when it returns true; the caller cuts every connection. */
  dies: ((point: "before commit" | "committed" | "notified") => boolean) | undefined;
  faults: ModelFaults;

  constructor(random: SeededRandom, policy: "lww" | "strict", faults: ModelFaults) {
    this.#random = random;
    this.#policy = policy;
    this.faults = faults;
  }

  get version(): number {
    return this.#state.version;
  }

  get elements(): ReadonlyMap<string, Properties> {
    return this.#state.elements;
  }

  open(session: ModelSession): void {
    this.#sessions.add(session);
  }

  close(session: ModelSession): void {
    this.#sessions.delete(session);
  }

  /**
   * A backup was restored: the log ends earlier (not within a submit), and goes on differently. Sessions must be cut by
   * the caller.
   */
  restoreBackup(latest: number): void {
    let version = latest;
    while (version > 0 && !this.#ends.has(version)) version -= 1;
    this.#sessions.clear();
    for (const operation of this.log.slice(version)) this.#abandoned.set(operation.id, operation.version);
    const kept = this.log.slice(0, version);
    for (const end of [...this.#ends]) if (end > version) this.#ends.delete(end);
    this.log = [];
    this.#states = [[]];
    this.#known = new Map();
    this.#state = createState();
    this.retainedFrom = 1;
    for (const operation of kept) this.#append(operation);
    this.#appendOther();
  }

  /** An operation by somebody outside the simulation. */
  #appendOther(): SequencedOperation {
    this.#others += 1;
    const id = `other-${this.#others}`;
    const version = this.version + 1;
    const place = { version, base: version - 1, status: "applied", at } as const;
    const by = { session: "s", user: "u", client: "server" };
    const operation: SequencedOperation = { id, type: "create", element: id, props: {}, ...place, ...by };
    this.#append(operation);
    this.#ends.add(version);
    return operation;
  }

  receive(session: ModelSession, text: string): void {
    const message = JSON.parse(text) as ClientMessage;
    switch (message.type) {
      case "hello":
        this.#hello(session, message);
        return;
      case "submit":
        this.#submit(session, message);
        return;
      case "ping":
        session.send({ type: "pong", t: message.t, serverTime: at });
        return;
      case "lock": {
        const { result, changed } = this.locks.handle(session, message, this.version);
        session.send(result);
        if (changed) this.tellLocks();
        return;
      }
      case "resolve":
        this.resolve?.(session, message);
        return;
      case "auth":
        this.auth?.(session, message);
        return;
      case "presence":
        return;
    }
  }

  /** `locks` to everybody. */
  tellLocks(): void {
    const state = this.locks.state;
    this.tell({ type: "locks", ...state });
  }

  /** To everybody. */
  tell(message: ServerMessage): void {
    for (const session of this.#sessions) if (session.greeted) session.send(message);
  }

  #hello(session: ModelSession, hello: Hello): void {
    session.client = hello.clientId;
    session.greeted = true;
    const { since, sinceId } = hello;
    const version = this.version;
    const sameHistory = since !== undefined && (since === 0 || this.log[since - 1]?.id === sinceId);
    const usable = since !== undefined && since <= version && since >= this.retainedFrom - 1 && sameHistory;
    const rebase = since !== undefined && !usable;
    const whole = !usable || this.#random.next() < this.faults.snapshot;
    const from = whole
      ? this.#random.between(Math.max(0, version - 3, this.retainedFrom - 1), version)
      : since;
    const entries = whole ? [...(this.#states[from] ?? [])] : [];
    const cut = this.#random.next() < 0.3 ? this.#random.between(0, entries.length) : entries.length;
    const more = whole && cut < entries.length;
    const tail = this.log.slice(from);
    const inWelcome = more ? 0 : this.#random.between(0, tail.length);
    const committed: Record<string, number> = {};
    for (const id of hello.pending ?? []) {
      const known = this.#known.get(id);
      if (known?.client === session.client && known.user === session.user) committed[id] = known.version;
    }
    const id = this.log[from - 1]?.id;
    session.send({
      type: "welcome",
      sessionId: session.id,
      instanceId: "model",
      user: { id: session.user },
      role: "editor",
      document: metadata,
      version,
      ...(whole
        ? {
            snapshot: {
              version: from,
              ...(id === undefined ? {} : { id }),
              elements: Object.fromEntries(entries.slice(0, cut)),
              more,
            },
          }
        : {}),
      ops: tail.slice(0, inWelcome),
      ...(rebase ? { rebase: true as const } : {}),
      committed,
      sessions: [],
      locks: this.locks.state,
      limits: modelLimits,
      serverTime: at,
    });
    for (let index = cut; more && index < entries.length; index += 2) {
      const elements = Object.fromEntries(entries.slice(index, index + 2));
      session.send({ type: "snapshot", elements, more: index + 2 < entries.length });
    }
    if (inWelcome < tail.length) session.send({ type: "ops", ops: tail.slice(inWelcome) });
  }

  #submit(session: ModelSession, submit: Submit): void {
    const reject = (code: Reject["code"], message: string, details?: Record<string, Json>): void => {
      const { seq } = submit;
      const answer: Reject = {
        type: "reject",
        seq,
        code,
        message,
        version: this.version,
        ...(details && { details }),
      };
      this.rejects.push(answer);
      session.send(answer);
    };
    if (submit.seq !== session.nextSeq) {
      // Later than an unhandled one, or a mistake; the simulation looks at the messages.
      if (submit.seq > session.nextSeq) reject("unavailable", "after an unhandled submit");
      else reject("invalid_operation", `seq ${submit.seq} instead of ${session.nextSeq}`);
      return;
    }
    const fault = this.#random.next();
    if (fault < this.faults.rateLimited) {
      reject("rate_limited", "later", { retryAfterMs: 50 });
      return;
    }
    const unavailable = fault < this.faults.rateLimited + this.faults.unavailable;
    if (unavailable && this.#random.next() < 0.5) {
      reject("unavailable", "not stored");
      return;
    }
    for (const operation of submit.ops) {
      const reading = readOperation(JSON.parse(JSON.stringify(operation)));
      if (reading.ok) continue;
      session.nextSeq += 1;
      reject("invalid_operation", `shape: ${reading.path} ${reading.message}`);
      return;
    }
    const known = submit.ops.map(({ id }) => this.#known.get(id));
    if (known.some((operation) => operation !== undefined)) {
      session.nextSeq += 1;
      const own = known.flatMap((operation) =>
        operation?.client === session.client ? [operation.version] : [],
      );
      if (own.length < submit.ops.length) reject("invalid_operation", "only some ids are known");
      else session.send({ type: "ack", seq: submit.seq, versions: own, duplicate: true });
      return;
    }
    for (const { element } of submit.ops) {
      const lock = this.locks.standsInTheWay(session, element);
      if (lock === undefined) continue;
      session.nextSeq += 1;
      reject("locked", "locked", { lock: { ...lock, user: { ...lock.user } } });
      return;
    }
    // A repeated id at its old version would make the two histories look like one to `sinceId`.
    while (submit.ops.some(({ id }, index) => this.#abandoned.get(id) === this.version + 1 + index)) {
      this.#broadcast([this.#appendOther()]);
    }
    const held = submit.ops.map((operation) => this.holdsBack?.(operation));
    if (held.some((conflict) => conflict !== undefined)) {
      session.nextSeq += 1;
      const made = submit.ops.map((operation, index): SequencedOperation => {
        const conflict = held[index];
        const version = this.version + 1;
        const place = { version, base: submit.base, at, session: session.id };
        const by = { user: session.user, client: session.client };
        const sequenced: SequencedOperation = {
          ...operation,
          ...place,
          ...by,
          status: conflict === undefined ? "applied" : "conflict",
          ...(conflict === undefined ? {} : { conflict }),
        };
        this.#append(sequenced);
        return sequenced;
      });
      this.#ends.add(this.version);
      this.#broadcast(made);
      return;
    }
    const draft = new Draft(this.#state);
    const author = { user: session.user, client: session.client };
    const decision = decide(draft, {
      ops: submit.ops,
      base: submit.base,
      author,
      policy: submit.onConflict === "reject" ? "strict" : this.#policy,
      retainedFrom: this.retainedFrom,
      limits: { maxElements: 0, maxDocumentBytes: 0 },
    });
    if (decision.outcome !== "accepted") {
      session.nextSeq += 1;
      if (decision.outcome !== "refused") throw new Error("the model keeps everything");
      reject(decision.code, `${decision.message} ${JSON.stringify(decision.details)}`);
      return;
    }
    const ops = decision.operations.map(
      (decided): SequencedOperation => ({
        ...decided.operation,
        version: decided.version,
        base: submit.base,
        status: "applied",
        session: session.id,
        user: author.user,
        client: author.client,
        at,
      }),
    );
    if (this.dies?.("before commit") === true) return;
    this.#ends.add(this.version + ops.length);
    commitDraft(draft, { firstVersion: this.version + 1, at });
    for (const operation of ops) this.#record(operation);
    if (this.dies?.("committed") === true) return;
    if (unavailable) reject("unavailable", "stored");
    else session.nextSeq += 1;
    this.#broadcast(ops);
    this.dies?.("notified");
  }

  #broadcast(ops: readonly SequencedOperation[]): void {
    const middle = this.#random.between(0, ops.length);
    for (const frame of [ops.slice(0, middle), ops.slice(middle)]) {
      if (frame.length === 0) continue;
      this.tell({ type: "ops", ops: frame });
    }
  }

  #append(operation: SequencedOperation): void {
    applySequenced(this.#state, operation);
    this.#record(operation);
  }

  #record(operation: SequencedOperation): void {
    if (this.#known.has(operation.id)) throw new Error(`sequenced twice: ${operation.id}`);
    this.log.push(operation);
    this.#known.set(operation.id, operation);
    // A draft is committed whole: the states within one submit are made from the one before.
    const before = new Map(this.#states[operation.version - 1]);
    const state = createState({ elements: before, version: operation.version - 1 });
    applySequenced(state, operation);
    this.#states[operation.version] = [...state.elements];
  }
}

const metadata: DocumentMetadata = {
  id: "d",
  name: "d",
  type: "whiteboard",
  state: "active",
  version: 0,
  createdBy: "u",
  createdAt: at,
  updatedAt: at,
  updatedBy: "u",
  activeUsers: [],
  tags: [],
  description: "",
  properties: {},
  owner: "u",
  public: false,
  conflictPolicy: "lww",
  metadataVersion: 1,
};
