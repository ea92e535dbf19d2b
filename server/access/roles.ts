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
  let best: Role | undefined = document.public ? "viewer" : undefined;
  if (identity === undefined) return best;
  const raise = (role: Role | undefined) => {
    if (role !== undefined && (best === undefined || rank[role] > rank[best])) best = role;
  };
  const { userId } = identity;
  if (document.owner === userId) raise("owner");
  if (document.editors.includes(userId)) raise("editor");
  if (document.viewers.includes(userId)) raise("viewer");
  raise(identity.docs?.get(document.docId));
  return best;
}
