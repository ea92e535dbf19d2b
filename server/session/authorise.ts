import type { Identity } from "../access/identity.ts";
import { includesRole, roleOf } from "../access/roles.ts";
import type { Refusal } from "../room/submission.ts";
import type { DocumentRecord } from "../store/store.ts";

/** Why somebody may not edit a document as it is: role first, then its state. */
export function authorise(document: DocumentRecord, identity: Identity | undefined): Refusal | undefined {
  const role = roleOf(document, identity);
  if (role === undefined || !includesRole(role, "editor")) {
    return { code: "forbidden", message: `a ${role ?? "stranger"} may not edit` };
  }
  if (document.state !== "active")
    return { code: "not_active", message: `the document is ${document.state}` };
  return undefined;
}
