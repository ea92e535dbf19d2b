import type { Percentiles } from "./histogram.ts";

/** What the generator speaks: the server's wire protocol, or the relays' bare operations. */
export type Target = "aetherflow" | "relay";

/** What the generator's process does, one a process. */
export type Plan = LoadPlan | IdlePlan | StormPlan | JoinPlan;

export type ResultOf<P extends Plan> = P extends LoadPlan
  ? LoadResult
  : P extends IdlePlan
    ? IdleResult
    : P extends StormPlan
      ? StormResult
      : JoinResult;

/** Many sockets, spread evenly over documents; the first of each document may write. */
export interface CrowdPlan {
  readonly target: Target;
  readonly urls: readonly string[];
  readonly documents: readonly string[];
  /** A token for each client of a document. */
  readonly tokens: readonly string[];
  readonly clientsPerDocument: number;
  readonly seed: number;
}

/** Connects all, is `ready`, and when it may go on, has an operation of each document reach all of its members. */
export interface IdlePlan extends CrowdPlan {
  readonly kind: "idle";
}

export interface IdleResult {
  readonly violations: readonly string[];
}

/** Connects all, cuts all at once, and connects all again from where they were. */
export interface StormPlan extends CrowdPlan {
  readonly kind: "storm";
}

export interface StormResult {
  /** Milliseconds from the cut until a session was live again, and until the last one was. */
  readonly live: Percentiles;
  readonly allLiveMs: number;
  /** Connections that were refused or closed before they were live, and tried again. */
  readonly retries: number;
  /** Sessions that got a whole snapshot instead of what they had missed. */
  readonly fromSnapshot: number;
  readonly violations: readonly string[];
}

/** Joins one document again and again, each time until everything that leads to its version is there. */
export interface JoinPlan {
  readonly kind: "join";
  readonly target: Target;
  readonly url: string;
  readonly document: string;
  readonly token: string;
  /** Joins one after another, or all at once. */
  readonly count: number;
  readonly atOnce: boolean;
}

export interface JoinResult {
  /** Milliseconds from the connection's start until the last frame was there. */
  readonly join: Percentiles;
  /** The first of them. */
  readonly firstMs: number;
  /** Bytes of a joiner's frames. */
  readonly bytes: number;
  readonly violations: readonly string[];
}

export interface LoadPlan {
  readonly kind: "load";
  readonly target: Target;
  /** `ws://HOST:PORT` of each instance; clients are dealt to them in turn. */
  readonly urls: readonly string[];
  readonly documents: readonly string[];
  /** A token for each client of a document (the same ones for every document); unused by relays. */
  readonly tokens: readonly string[];
  readonly clientsPerDocument: number;
  /** The first so many clients of each document write. */
  readonly writersPerDocument: number;
  /** Closed loop: every writer keeps so many submits unanswered. Ignored with `opsPerSecond`. */
  readonly inFlight: number;
  /** Open loop: every writer submits at this rate whatever the answers do. */
  readonly opsPerSecond?: number;
  /** Elements that each writer moves, its own. */
  readonly elementsPerWriter: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly seed: number;
}

export interface LoadResult {
  readonly seconds: number;
  /** Operations acknowledged to their authors while it was measured. */
  readonly operations: number;
  /** Operations received by all sockets together. */
  readonly deliveries: number;
  /** Milliseconds from the submit to its appearance at the author. */
  readonly ack: Percentiles;
  /** Milliseconds from the submit until the last member of the document has it. */
  readonly everybody: Percentiles;
  /** Milliseconds from the submit to another member on the same, or on another instance. */
  readonly same: Percentiles;
  readonly cross: Percentiles;
  /** Acknowledged operations by instance. */
  readonly byInstance: readonly number[];
  /** Violations: a gap, a duplicate, a refusal, a closed socket, something that never arrived. Empty when all is well. */
  readonly violations: readonly string[];
}

export type LoadMessage =
  | { readonly type: "ready" }
  | { readonly type: "measuring" }
  | { readonly type: "progress"; readonly share: number }
  | { readonly type: "measured" }
  | { readonly type: "result"; readonly result: LoadResult | IdleResult | StormResult | JoinResult }
  | { readonly type: "failed"; readonly message: string };
