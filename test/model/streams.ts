/** Invariants of what single sessions were sent: R4, the order of frames, R9. */
import type { Json, SequencedOperation } from "../../client/index.ts";
import type { Elements } from "../../shared/document/json.ts";
import { jsonEqual } from "../../shared/document/json.ts";
import type { ServerMessage, Welcome } from "../../shared/protocol/messages.ts";
import type { Board } from "./board.ts";
import type { Evidence } from "./evidence.ts";
import type { SessionRecord } from "./records.ts";

/** What is wrong with the streams. @param stateAt the replay of the log up to a version. */
export function streamProblems(
  board: Board,
  { log, sessions: ours }: Evidence,
  stateAt: (version: number) => Elements,
): string[] {
  const { sessions, leaks } = board.records;
  const problems = leaks.map((leak) => `R9: ${leak}`);
  for (const session of sessions) {
    const stream = new Stream(session, board.id, log, stateAt, ours);
    problems.push(...stream.problems.map((problem) => `${problem} (a session of ${session.user})`));
  }
  return problems;
}

class Stream {
  readonly problems: string[] = [];
  readonly #docId: string;
  readonly #log: readonly SequencedOperation[];
  readonly #stateAt: (version: number) => Elements;
  readonly #ours: ReadonlySet<string>;
  #version = 0;
  #locksRevision = 0;
  #snapshot: Map<string, unknown> | undefined;
  #self = "";

  constructor(
    session: SessionRecord,
    docId: string,
    log: readonly SequencedOperation[],
    stateAt: (version: number) => Elements,
    ours: ReadonlySet<string>,
  ) {
    this.#docId = docId;
    this.#log = log;
    this.#stateAt = stateAt;
    this.#ours = ours;
    let welcomed = false;
    for (const frame of session.frames) {
      if (frame.by === "client") continue;
      if (!welcomed && frame.message.type !== "welcome" && frame.message.type !== "bye")
        this.problems.push(`the first frame is ${frame.message.type}`);
      welcomed = true;
      this.#read(frame.message, session);
    }
  }

  #read(message: ServerMessage, session: SessionRecord): void {
    switch (message.type) {
      case "welcome":
        this.#welcome(message, session);
        return;
      case "snapshot":
        for (const [id, element] of Object.entries(message.elements)) this.#snapshot?.set(id, element);
        if (!message.more) this.#compareSnapshot();
        return;
      case "ops":
        this.#follow(message.ops);
        return;
      case "ack":
        this.#spokenOf("ack", Math.max(...message.versions));
        return;
      case "reject":
        this.#spokenOf(`reject ${message.code}`, message.version);
        return;
      case "locks":
        if (message.revision <= this.#locksRevision)
          this.problems.push(`locks of revision ${message.revision} came after ${this.#locksRevision}`);
        this.#locksRevision = message.revision;
        for (const { version } of message.locks) this.#spokenOf("locks", version);
        return;
      case "result":
        if (message.ok && message.lock !== undefined) this.#spokenOf("result", message.lock.version);
        return;
      case "conflict":
      case "resolved":
        for (const { id, version } of this.#log.slice(this.#version))
          if (message.conflict.operations.includes(id)) this.#spokenOf(message.type, version);
        return;
      case "presence":
        for (const id of [
          ...(message.joined ?? []).map(({ sessionId }) => sessionId),
          ...(message.left ?? []),
        ])
          this.#present(id);
        return;
      case "document":
        if (message.document.id !== this.#docId) this.problems.push(`R9: told of ${message.document.id}`);
        return;
      case "error":
        this.problems.push(`error ${message.code}: ${message.message}`);
        return;
      default:
        return;
    }
  }

  #welcome(welcome: Welcome, session: SessionRecord): void {
    this.#self = welcome.sessionId;
    this.#version = session.hello?.since ?? 0;
    this.#locksRevision = welcome.locks.revision;
    if (welcome.user.id !== session.user) this.problems.push(`believed to be ${welcome.user.id}`);
    if (welcome.document.id !== this.#docId) this.problems.push(`R9: welcomed to ${welcome.document.id}`);
    for (const { sessionId } of welcome.sessions) this.#present(sessionId);
    if (welcome.snapshot !== undefined) {
      this.#version = welcome.snapshot.version;
      this.#snapshot = new Map(Object.entries(welcome.snapshot.elements));
      const { id, version } = welcome.snapshot;
      if (id !== undefined && this.#log[version - 1]?.id !== id)
        this.problems.push(`R5: the snapshot of ${version} names another operation than the log`);
      if (!welcome.snapshot.more) this.#compareSnapshot();
    }
    this.#follow(welcome.ops);
    for (const [id, version] of Object.entries(welcome.committed))
      if (this.#log[version - 1]?.id !== id)
        this.problems.push(`R2: committed says ${id} is at ${version}, where the log has another`);
  }

  #compareSnapshot(): void {
    const replayed = Object.fromEntries(this.#stateAt(this.#version));
    if (!jsonEqual(Object.fromEntries(this.#snapshot ?? []) as Json, replayed as Json))
      this.problems.push(`R5: the snapshot of ${this.#version} is not the replay of the log`);
    this.#snapshot = undefined;
  }

  #follow(ops: readonly SequencedOperation[]): void {
    for (const op of ops) {
      if (op.version !== this.#version + 1)
        this.problems.push(`R4: version ${op.version} came after ${this.#version}`);
      this.#version = op.version;
      const logged = this.#log[op.version - 1];
      if (logged === undefined || !jsonEqual(fixed(op), fixed(logged)))
        this.problems.push(`R4: got ${JSON.stringify(op)}, the log has ${JSON.stringify(logged)}`);
    }
  }

  /** It comes after the operations up to what it speaks of. */
  #spokenOf(frame: string, version: number): void {
    if (version > this.#version)
      this.problems.push(`order: ${frame} speaks of ${version}, the operations came up to ${this.#version}`);
  }

  #present(sessionId: string): void {
    if (sessionId === this.#self) this.problems.push("told of its own presence");
    if (!this.#ours.has(sessionId)) this.problems.push(`R9: told of session ${sessionId} of elsewhere`);
  }
}

/** Without what may read otherwise later. */
function fixed({ status: _status, conflict: _conflict, ...rest }: SequencedOperation): Json {
  return rest as unknown as Json;
}
