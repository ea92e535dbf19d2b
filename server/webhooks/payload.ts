/**
 * What a delivery says. Most of it is read now, not when the event was written, and under the rights that the
 * webhook's owner has now by the document's own lists: who lost access is told nothing more.
 */
import { documentMetadata } from "../access/document-view.ts";
import { roleOf } from "../access/roles.ts";
import type { Delivery, Store, StoredOperation } from "../store/store.ts";

/** Bytes of operations in one delivery; the rest is read by `GET …/operations?from=&to=`. */
const maxOperationBytes = 256 * 1024;

export interface PayloadServices {
  readonly store: Pick<Store, "documents" | "operations" | "conflicts">;
  /** The JSON text of an operation as the wire shows it. */
  readonly encodeOperation: (operation: StoredOperation) => string;
}

/** The JSON text of a delivery; undefined: its owner may not (or need not) be told. */
export async function payloadOf(
  delivery: Delivery,
  { store, encodeOperation }: PayloadServices,
): Promise<string | undefined> {
  const { id, event, docId, webhook, createdAt, body } = delivery;
  const head = { id, type: event, webhookId: webhook.id, docId, at: createdAt };
  const document = await store.documents.get(docId);
  // The event was written for somebody with a role; what is purged has no lists to look at any more.
  const goneForGood = document === undefined && event === "documents" && body.change === "deleted";
  if (goneForGood) return JSON.stringify({ ...head, change: "deleted" });
  if (document === undefined) return undefined;
  const role = roleOf(document, { userId: webhook.owner, expiresAt: Number.POSITIVE_INFINITY });
  if (role === undefined) return undefined;

  switch (event) {
    case "documents":
      if (document.state === "deleted") return JSON.stringify({ ...head, change: "deleted" });
      return JSON.stringify({ ...head, change: body.change, document: documentMetadata(document, role) });
    case "locks":
      if (document.state === "deleted") return undefined;
      return JSON.stringify({ ...head, ...body });
    case "conflicts": {
      if (document.state === "deleted" || delivery.ref === null) return undefined;
      const [record] = await store.conflicts.getMany(docId, [delivery.ref]);
      if (record === undefined) return undefined;
      const { docId: _document, lastAt: _last, authors: _authors, ...conflict } = record;
      return JSON.stringify({ ...head, conflict });
    }
    case "operations": {
      const { fromVersion: from, toVersion: to } = delivery;
      if (document.state === "deleted" || from === null || to === null) return undefined;
      const range = await store.operations.after(docId, { version: from - 1, id: null }, maxOperationBytes);
      const read = range.outcome === "range" ? range.operations.filter(({ version }) => version <= to) : [];
      const texts = read.map(encodeOperation);
      // The texts are placed into the answer: nothing is parsed to be written again.
      const outline = JSON.stringify({ ...head, from, to, complete: texts.length === to - from + 1 });
      return `${outline.slice(0, -1)},"operations":[${texts.join(",")}]}`;
    }
  }
}
