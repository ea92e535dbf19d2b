import type { Json } from "./json.ts";

export const operationTypes = ["create", "update", "delete", "move", "resize", "style", "text"] as const;
export type OperationType = (typeof operationTypes)[number];

/** One edit of a string property: `[position, deleteCount, insert]`, in UTF-16 code units of the text before all edits of the list. */
export type SpliceEdit = readonly [position: number, deleteCount: number, insert: string];

/** What a replica applies: the part of an operation that changes an element. */
export interface OperationEffect {
  readonly type: OperationType;
  readonly element: string;
  readonly props?: { readonly [name: string]: Json };
  readonly set?: { readonly [name: string]: Json };
  readonly unset?: readonly string[];
  readonly append?: { readonly [name: string]: readonly Json[] };
  readonly splice?: { readonly [name: string]: readonly SpliceEdit[] };
}

/** An operation as its author submits it. */
export interface Operation extends OperationEffect {
  /** UUID, lower-case; unique in the document for ever. */
  readonly id: string;
  readonly extra?: { readonly [key: string]: Json };
}

export const operationStatuses = ["applied", "conflict", "resolved"] as const;
export type OperationStatus = (typeof operationStatuses)[number];

/** An operation with its place in the document's total order. */
export interface SequencedOperation extends Operation {
  readonly version: number;
  readonly base: number;
  readonly status: OperationStatus;
  readonly session: string;
  readonly user: string;
  readonly client: string;
  /** RFC 3339, UTC, milliseconds; the database's clock at commit. */
  readonly at: string;
  readonly conflict?: string;
}

/** Who made an operation: a replica (tab, process) of a user. Two tabs of one person are two authors. */
export interface Author {
  readonly user: string;
  readonly client: string;
}
