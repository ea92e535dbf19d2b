import type { DocumentMetadata, Role } from "../../shared/protocol/messages.ts";
import type { DocumentRecord } from "../store/store.ts";
import { includesRole } from "./roles.ts";

/** Metadata as somebody of a role may see it: the lists of people go to owners and editors only. */
export function documentMetadata(document: DocumentRecord, role: Role): DocumentMetadata {
  const { docId, operationId: _operation, revision: _revision, editors, viewers, ...shown } = document;
  return { id: docId, ...shown, ...(includesRole(role, "editor") ? { editors, viewers } : {}) };
}
