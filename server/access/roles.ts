import type { Role } from "../../shared/protocol/messages.ts";
import type { Identity } from "./identity.ts";

/** What of a document decides about access. */
export interface AccessLists {
  readonly docId: string;
  readonly owner: string;
  readonly editors: readonly string[];
  readonly viewers: readonly string[];
  readonly public: boolean;
}

const rank = { viewer: 1, editor: 2, owner: 3 } as const satisfies Record<Role, number>;

/** Whether a role includes another. */
export function includesRole(role: Role, needed: Role): boolean {
  return rank[role] >= rank[needed];
}

/**
 * The highest role that the document's lists and the token give; undefined: the document does not exist for the
 * caller. Says nothing about the document's state.
 */
export function roleOf(document: AccessLists, identity: Identity | undefined): Role | undefined {
  if (identity === undefined) return document.public ? "viewer" : undefined;
  const { userId, docs } = identity;
  const granted = docs?.get(document.docId);
  if (granted === "owner" || document.owner === userId) return "owner";
  if (granted === "editor" || document.editors.includes(userId)) return "editor";
  const isViewer = granted === "viewer" || document.public || document.viewers.includes(userId);
  return isViewer ? "viewer" : undefined;
}
