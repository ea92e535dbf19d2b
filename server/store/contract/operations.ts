/** The log. */
import type { Author, OperationStatus, OperationType } from "../../../shared/document/operation.ts";
import type { Head } from "./heads.ts";
import type { Page, Paged } from "./page.ts";

/** One row of the log. */
export interface StoredOperation {
  readonly docId: string;
  readonly version: number;
  readonly id: string;
  readonly type: OperationType;
  readonly element: string;
  readonly base: number;
  readonly status: OperationStatus;
  readonly conflict: string | null;
  readonly session: string;
  readonly user: string;
  readonly client: string;
  readonly at: string;
  /** JSON text of the effect: an object with those of `props set unset append splice` that the operation has. */
  readonly data: string;
  /** JSON text of an object. */
  readonly extra: string | null;
}

export interface OperationFilter {
  readonly docId?: string;
  readonly user?: string;
  readonly session?: string;
  readonly type?: OperationType;
  readonly status?: OperationStatus;
  readonly element?: string;
  readonly fromTime?: string;
  readonly toTime?: string;
  readonly fromVersion?: number;
  readonly toVersion?: number;
}

export type LogRange =
  /** `operations` follow on `after` without a gap; `complete` when they reach the document's version at the time of the read. */
  | {
      readonly outcome: "range";
      readonly operations: readonly StoredOperation[];
      readonly complete: boolean;
      readonly head: Head;
    }
  /** `after` is older than the retained log. */
  | { readonly outcome: "archived"; readonly head: Head }
  /** The operation at `after.version` is another one, or the version was never reached: another history. */
  | { readonly outcome: "history"; readonly head: Head }
  | { readonly outcome: "missing" };

export interface OperationStore {
  get(docId: string, operationId: string): Promise<StoredOperation | undefined>;
  list(filter: OperationFilter, order: "asc" | "desc", page: Page): Promise<Paged<StoredOperation>>;
  /** The newest `count` operations of a document, oldest first. */
  latest(docId: string, count: number): Promise<StoredOperation[]>;
  /** Versions `from`…`to`, bounds inclusive, in order. */
  byVersion(docId: string, from: number, to: number): Promise<StoredOperation[]>;
  /** The author's among them: as many rows are read as there are versions, and only these are answered. */
  byAuthor(docId: string, author: Author, from: number, to: number): Promise<StoredOperation[]>;
  /** What became of the operations at these versions; those that are not in the live log are left out. */
  statuses(
    docId: string,
    versions: readonly number[],
  ): Promise<Pick<StoredOperation, "version" | "status">[]>;
  /** What follows a version that the caller has, up to `maxBytes` of data (at least one operation). `id` null: not compared. */
  after(docId: string, after: { version: number; id: string | null }, maxBytes: number): Promise<LogRange>;
  /** Operations with status `pending` (reserved) or `conflict`, in order; of each only where it waits, since they may be thousands. */
  pending(docId: string): Promise<Pick<StoredOperation, "id" | "version" | "conflict">[]>;
  updateStatus(docId: string, operationId: string, status: OperationStatus): Promise<boolean>;
}
