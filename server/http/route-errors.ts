/** Which errors a call answers, for its description: every code that a well-meant request meets, by what the call does. */
import type { ErrorCode } from "../../shared/protocol/codes.ts";

/** A bad token is refused by every call, and each counts. */
const everywhere: readonly ErrorCode[] = ["invalid", "unauthenticated", "rate_limited"];
const change: readonly ErrorCode[] = ["forbidden", "not_found"];
const edit: readonly ErrorCode[] = [...change, "not_active", "too_large", "locked"];

const own: { readonly [call: string]: readonly ErrorCode[] } = {
  "post /v1/documents": ["taken", "too_large", "invalid_operation"],
  "get /v1/documents": [],
  "get /v1/documents/{docId}": ["not_found"],
  "patch /v1/documents/{docId}": [...change, "version_mismatch"],
  "delete /v1/documents/{docId}": [...change, "version_mismatch"],
  "get /v1/documents/{docId}/content": ["not_found", "base_too_old"],
  "put /v1/documents/{docId}/content": [
    ...edit,
    "version_mismatch",
    "invalid_operation",
    "precondition_required",
  ],
  "get /v1/documents/{docId}/operations": ["not_found"],
  "post /v1/documents/{docId}/operations": [
    ...edit,
    "version_conflict",
    "base_too_old",
    "element_not_found",
    "invalid_operation",
  ],
  "get /v1/documents/{docId}/locks": ["not_found"],
  "post /v1/documents/{docId}/locks": [...change, "not_active", "locked", "too_many"],
  "delete /v1/documents/{docId}/locks/{lockId}": [...change, "not_active"],
  "get /v1/documents/{docId}/conflicts": ["not_found"],
  "get /v1/documents/{docId}/conflicts/{conflictId}": ["not_found"],
  "post /v1/documents/{docId}/conflicts/{conflictId}/resolve": [...edit, "already_resolved"],
  "get /v1/documents/{docId}/versions": ["not_found"],
  "post /v1/documents/{docId}/versions": [...change, "taken", "base_too_old"],
  "delete /v1/documents/{docId}/versions/{name}": change,
  "post /v1/documents/{docId}/restore": [...edit, "base_too_old"],
  "post /v1/documents/{docId}/revert": [...edit, "base_too_old"],
  "get /v1/documents/{docId}/blame": ["not_found"],
  "get /v1/documents/{docId}/sessions": ["not_found"],
  "put /v1/documents/{docId}/assets/{sha256}": [...change, "not_active", "too_large"],
  "get /v1/documents/{docId}/assets/{sha256}": ["not_found"],
  "post /v1/webhooks": [...change, "too_many"],
  "get /v1/webhooks": [],
  "get /v1/webhooks/{webhookId}": ["not_found"],
  "patch /v1/webhooks/{webhookId}": ["not_found"],
  "delete /v1/webhooks/{webhookId}": ["not_found"],
  "get /v1/stats": [],
  "post /v1/dev/token": [],
};

/** The errors of a call, such as `get /v1/documents/{docId}`; undefined: nobody has said which. */
export function errorsOf(call: string): readonly ErrorCode[] | undefined {
  const errors = own[call];
  return errors === undefined ? undefined : [...everywhere, ...errors];
}
