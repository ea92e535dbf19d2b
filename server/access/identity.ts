import type { Role } from "../../shared/protocol/messages.ts";

/** Who a verified token says that the caller is. Without a token there is no identity. */
export interface Identity {
  /** `sub`, 1–255 characters, never beginning with `anonymous:`. */
  readonly userId: string;
  readonly name?: string;
  readonly color?: string;
  /** Roles that the token grants by document id, beside the documents' own lists. */
  readonly docs?: ReadonlyMap<string, Role>;
  /** When the token ends, milliseconds since 1970. */
  readonly expiresAt: number;
}
