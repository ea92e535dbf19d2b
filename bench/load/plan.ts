import type { Percentiles } from "./histogram.ts";

/** What the generator speaks: the server's wire protocol, or the relays' bare operations. */
export type Target = "aetherflow" | "relay";

export interface LoadPlan {
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
  | { readonly type: "result"; readonly result: LoadResult }
  | { readonly type: "failed"; readonly message: string };
