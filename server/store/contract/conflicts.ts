/** Conflict records. */
import type { ConflictWrite } from "../../../shared/document/conflict-record.ts";
import type { ConflictResolve } from "./commit.ts";
import type { StoredOperation } from "./operations.ts";
import type { Page, Paged } from "./page.ts";

export interface ConflictRecord {
  readonly id: string;
  readonly docId: string;
  readonly element: string;
  readonly properties: readonly string[];
  readonly resolution: "lww" | "merge" | "manual";
  readonly resolvedBy: string | null;
  readonly resolvedAt: string | null;
  readonly description: string;
  readonly createdAt: string;
  readonly lastAt: string;
  readonly authors: readonly string[];
  /** Operation ids in version order, the newest 100. */
  readonly operations: readonly string[];
}

export interface ConflictStore {
  /** For tools: the server makes records within the commit. */
  create(docId: string, conflict: ConflictWrite): Promise<ConflictRecord>;
  get(
    docId: string,
    conflictId: string,
  ): Promise<{ conflict: ConflictRecord; operations: StoredOperation[] } | undefined>;
  list(
    docId: string,
    state: "unresolved" | "resolved" | undefined,
    page: Page,
  ): Promise<Paged<ConflictRecord>>;
  /** All that are unresolved, as far as it takes to see which of them are new or were joined since. */
  unresolved(docId: string): Promise<Pick<ConflictRecord, "id" | "lastAt">[]>;
  /** Records made, joined or resolved lately: by id, in one query. */
  getMany(docId: string, conflictIds: readonly string[]): Promise<ConflictRecord[]>;
  /** False when it is resolved already or absent. */
  resolve(docId: string, resolve: ConflictResolve): Promise<boolean>;
}
