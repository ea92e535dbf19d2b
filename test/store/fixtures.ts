/** Small makers of what the store takes. */
import { uuidv7 } from "uuidv7";
import type { CommitOperation, DocumentBatch, Head, NewDocument, Origin } from "../../server/store/store.ts";

/** Who edits in a test; each call is another session. */
export function origin(user = "ann", client = `${user}-tab`): Origin {
  return { user, client, session: uuidv7() };
}

export function operation(by: Origin, element: string, more: Partial<CommitOperation> = {}): CommitOperation {
  return {
    id: uuidv7(),
    type: "update",
    element,
    base: 0,
    status: "applied",
    data: JSON.stringify({ set: { x: 1 } }),
    origin: by,
    ...more,
  };
}

/** A batch at where a document stands. */
export function batchAt(
  head: Head,
  operations: readonly CommitOperation[],
  more: Partial<DocumentBatch> = {},
): DocumentBatch {
  return {
    docId: head.docId,
    expectedVersion: head.version,
    expectedId: head.operationId,
    metadataVersion: head.metadataVersion,
    operations,
    ...more,
  };
}

export function newDocument(more: Partial<NewDocument> = {}): NewDocument {
  return { id: uuidv7(), name: "A board", type: "whiteboard", createdBy: "ann", ...more };
}
