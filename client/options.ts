import type { Operation, SequencedOperation } from "../shared/document/operation.ts";
import type {
  ConflictInfo,
  DocumentMetadata,
  LockInfo,
  PresenceState,
  Reject,
  Role,
} from "../shared/protocol/messages.ts";
import type { BackoffOptions } from "./backoff.ts";
import type { ConnectionState } from "./connection.ts";
import type { LockLostEvent } from "./locks.ts";
import type { PresenceEvent } from "./others.ts";
import type { VersionConflictAnswer } from "./outbox.ts";
import type { CreateWebSocket } from "./socket.ts";
import type { ReplicaStorage } from "./storage/storage.ts";
import type { Timers } from "./timers.ts";
import type { UndoOptions, UndoState } from "./undo-history.ts";

/** How to open a document. */
export interface OpenDocumentOptions {
  /** Address of the server (`https://…`), or of several instances of it: when one is lost, the next is tried. */
  readonly url: string | readonly [string, ...string[]];
  readonly documentId: string;
  /** A JWT. Neither this nor `getToken`: anonymous, for public documents. */
  readonly token?: string;
  /** Asked for a fresh JWT before each connection, and in a session at four fifths of a token's life. */
  readonly getToken?: () => string | Promise<string>;
  /** This replica's id, 1–255 characters; default: a new one. Never used by two live replicas at once. */
  readonly clientId?: string;
  /**
   * Where the document and what is not acknowledged outlive this page or process. The replica then continues as a stored
   * one, under its client id, when no live one has it.
   */
  readonly storage?: ReplicaStorage;
  /**
   * With `storage`: whose replicas. Default: the token's `sub`. Name it where `getToken` cannot answer offline, to see and
   * edit the document nevertheless.
   */
  readonly user?: string;
  /** Shown to others when the token carries no name or colour. */
  readonly profile?: { readonly name?: string; readonly color?: string };
  /** What others see of this session at first. */
  readonly presence?: PresenceState;
  /** `reject`: every submit is refused, not merged, when it collides with others' (as in a `strict` document). */
  readonly onConflict?: "reject";
  /**
   * What becomes of changes that were refused because others were faster (`version_conflict`): made anew on the present
   * state (`rebase`, the default), or dropped and told by `reject`.
   */
  readonly onVersionConflict?: VersionConflictAnswer | ((reject: Reject) => VersionConflictAnswer);
  /** How changes become steps of `undo`. */
  readonly undo?: UndoOptions;
  /** Default: the host's WebSocket; on Node.js 20, which has none, the `ws` package. */
  readonly createWebSocket?: CreateWebSocket;
  /** Delays between attempts to connect; default 250 ms to 15 s. */
  readonly backoff?: BackoffOptions;
  /** Default 5 s. */
  readonly pingIntervalMs?: number;
  /** How long a silent connection is believed in; default 10 s. */
  readonly silenceMs?: number;
  readonly timers?: Timers;
  /** In [0, 1); for jitter. */
  readonly random?: () => number;
  /** Makes operation ids (UUID, version 7). */
  readonly newId?: () => string;
}

/** How a transaction is made. */
export interface TransactOptions {
  /** False: not a step of `undo` (what a program does, not its user). */
  readonly undo?: boolean;
}

/** Elements whose view changed. */
export interface ChangeEvent {
  /** Ids; one that `get` does not find any more was deleted. */
  readonly elements: readonly string[];
  /** `local`: `transact` on this replica. `remote`: what came from the server. `reset`: a whole state came. */
  readonly origin: "local" | "remote" | "reset";
}

/** Changes of this replica were refused and are gone from the view. */
export interface RejectEvent {
  readonly code: Reject["code"];
  readonly message: string;
  readonly details?: Reject["details"];
  /** The refused operations. */
  readonly operations: readonly Operation[];
  /** Later ones that did not fit any more without them. */
  readonly dependent: readonly Operation[];
}

/** Every event of a document by name. */
export interface DocumentEvents {
  readonly change: ChangeEvent;
  /** The version, or how many operations wait to be acknowledged, is another. */
  readonly progress: { readonly version: number; readonly pendingCount: number };
  readonly status: ConnectionState;
  readonly presence: PresenceEvent;
  readonly reject: RejectEvent;
  /** A record was made, or joined by further operations. */
  readonly conflict: ConflictInfo;
  /** Somebody settled a record. */
  readonly resolved: ConflictInfo;
  /** `conflicts.unresolved` is another. */
  readonly conflicts: readonly ConflictInfo[];
  /** Changes of this replica are held back (policy `manual`): acknowledged, without effect, gone from the view. */
  readonly heldBack: {
    readonly operations: readonly SequencedOperation[];
    /** Later ones, not sent yet, that did not fit without them and are gone as well. */
    readonly dependent: readonly Operation[];
  };
  /** Every active lock: `locks.list` is another. */
  readonly locks: readonly LockInfo[];
  /** A lock that this replica kept has ended. */
  readonly lockLost: LockLostEvent;
  /** Whether there is something to undo or redo has changed. */
  readonly undo: UndoState;
  readonly document: DocumentMetadata;
  readonly role: Role;
  readonly latency: { readonly latencyMs: number };
  /** Something failed that is no answer to a change; the document goes on. */
  readonly error: Error;
}
