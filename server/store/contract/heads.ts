/** Where documents stand. */
import type { DocumentState } from "../../../shared/protocol/messages.ts";

/** Where a document stands: what anti-entropy compares and a refusal is confirmed by. */
export interface Head {
  readonly docId: string;
  readonly state: DocumentState;
  readonly version: number;
  /** Id of the operation at `version`; null at 0 and after a tool moved the version. */
  readonly operationId: string | null;
  readonly metadataVersion: number;
  readonly revision: number;
}

export interface HeadQuery {
  readonly docId: string;
  /** Operation ids that may be in the log. */
  readonly ids?: readonly string[];
}

export interface HeadAnswer {
  readonly head: Head;
  readonly known: readonly KnownOperation[];
  /** The lowest version that is still in the live log; `head.version + 1` when none is. */
  readonly retainedFrom: number;
}

/** An operation id that a document has already, archived ones included. */
export interface KnownOperation {
  readonly id: string;
  readonly version: number;
  readonly user: string;
  readonly client: string;
}
