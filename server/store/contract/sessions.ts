/** Sessions, and the instances that they are on. */
import type { Role, UserProfile } from "../../../shared/protocol/messages.ts";

export interface SessionRecord {
  readonly id: string;
  readonly docId: string;
  /** Null: a REST edit, which is over when it is recorded. */
  readonly instanceId: string | null;
  readonly user: UserProfile;
  readonly client: string;
  readonly role: Role;
  readonly joinedAt: string;
}

export interface SessionStore {
  /** Registers or renews an instance's lease. False: the lease was lost (reaped); its sessions are gone. */
  heartbeat(instanceId: string): Promise<boolean>;
  /** Ends leases older than this and their sessions; returns the documents that lost sessions. */
  reap(olderThanMs: number): Promise<string[]>;
  /** Ends an instance and its sessions. */
  stop(instanceId: string): Promise<void>;
  /**
   * Records sessions, many in one statement. Each row also says from which version on its operations are to be looked for.
   * Returns the documents whose rows others held: their sessions are not recorded.
   */
  join(
    sessions: readonly (Omit<SessionRecord, "joinedAt"> & {
      version: number;
      ip?: string;
      userAgent?: string;
      platform?: string;
    })[],
  ): Promise<string[]>;
  /** Returns the sessions whose rows others held: they have not left yet. */
  leave(sessionIds: readonly string[]): Promise<string[]>;
  /**
   * Ends the instance's sessions but those of `present`, which it has now, and those recorded since its last heartbeat was
   * answered, or some seconds before; returns the documents that lost sessions.
   */
  leaveAbsent(instanceId: string, present: readonly string[]): Promise<string[]>;
  /** Live sessions of these documents, in one query; those of the instance `except` are left out. */
  live(docIds: readonly string[], except?: string): Promise<SessionRecord[]>;
  /**
   * Makes `documents.active_users` what the live sessions say, where it differs and the row is free. Returns the documents
   * where it differed: they are to be asked for again, until none is left.
   */
  refreshActiveUsers(docIds: readonly string[]): Promise<string[]>;
}
