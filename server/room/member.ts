/** What a room knows of a session, and what a session hears from its room. */
import type { Author } from "../../shared/document/operation.ts";
import type { closeCodes } from "../../shared/protocol/codes.ts";
import type { SessionInfo } from "../../shared/protocol/messages.ts";
import type { DocumentRecord } from "../store/store.ts";

export type CloseReason = keyof typeof closeCodes;

export interface Member {
  readonly author: Author;
  /** As others see it; `presence` is the room's to keep. */
  readonly info: Omit<SessionInfo, "presence">;
  /** A ready frame that must arrive, in this order. */
  deliver(frame: Buffer): void;
  /** A ready frame that may be dropped when the reader is slow. */
  deliverEphemeral(frame: Buffer): void;
  /** Metadata, permissions or state changed: the session judges anew what it may do. */
  documentChanged(document: DocumentRecord): void;
  close(reason: CloseReason): void;
}
