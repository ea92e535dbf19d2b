/**
 * Every error code of the wire and of REST, in one table for both sides.
 * `fault`: who has to change something. `retryable`: the same request may succeed later, unchanged.
 */
export const errorCodes = {
  invalid: { http: 400, fault: "client", retryable: false },
  bad_message: { http: 400, fault: "client", retryable: false },
  unauthenticated: { http: 401, fault: "client", retryable: false },
  forbidden: { http: 403, fault: "client", retryable: false },
  not_found: { http: 404, fault: "client", retryable: false },
  version_conflict: { http: 409, fault: "client", retryable: false },
  not_active: { http: 409, fault: "client", retryable: false },
  taken: { http: 409, fault: "client", retryable: false },
  already_resolved: { http: 409, fault: "client", retryable: false },
  not_held: { http: 409, fault: "client", retryable: false },
  base_too_old: { http: 410, fault: "client", retryable: false },
  version_mismatch: { http: 412, fault: "client", retryable: false },
  too_large: { http: 413, fault: "client", retryable: false },
  element_not_found: { http: 422, fault: "client", retryable: false },
  invalid_operation: { http: 422, fault: "client", retryable: false },
  locked: { http: 423, fault: "client", retryable: true },
  precondition_required: { http: 428, fault: "client", retryable: false },
  rate_limited: { http: 429, fault: "client", retryable: true },
  too_many: { http: 429, fault: "client", retryable: true },
  internal: { http: 500, fault: "server", retryable: false },
  unavailable: { http: 503, fault: "server", retryable: true },
} as const satisfies Record<string, { http: number; fault: "client" | "server"; retryable: boolean }>;

export type ErrorCode = keyof typeof errorCodes;

/** WebSocket close codes. `reconnect`: a client may come back by itself, with the same token. */
export const closeCodes = {
  normal: { code: 1000, reconnect: false },
  goingAway: { code: 1001, reconnect: true },
  tooBig: { code: 1009, reconnect: false },
  internal: { code: 1011, reconnect: true },
  overloaded: { code: 1013, reconnect: true },
  protocolViolation: { code: 4400, reconnect: false },
  unauthenticated: { code: 4401, reconnect: false },
  lostAccess: { code: 4403, reconnect: false },
  notFound: { code: 4404, reconnect: false },
  helloTimeout: { code: 4408, reconnect: true },
  deleted: { code: 4410, reconnect: false },
  tooSlow: { code: 4413, reconnect: true },
  tooMany: { code: 4429, reconnect: true },
} as const satisfies Record<string, { code: number; reconnect: boolean }>;
