/** Edits without a socket, over the same rooms, rules, log and fan-out as those of sessions. */
import type { SessionInfo } from "../../shared/protocol/messages.ts";
import type { DocumentEdits } from "./edits.ts";
import { lockInfo } from "./lock-info.ts";
import { endLostLocks, releaseLock, takeLock } from "./lock-requests.ts";
import type { RoomRegistry } from "./registry.ts";
import { replacement } from "./replacement.ts";
import type { RoomServices } from "./services.ts";
import { submitEdit } from "./submit-edit.ts";

const gone = { ok: false, code: "not_found", message: "no such document" } as const;

export function createDocumentEdits(registry: RoomRegistry, services: RoomServices): DocumentEdits {
  const { store, newId } = services;

  function changed(docId: string): void {
    const room = registry.get(docId);
    // A failure is the database's absence; anti-entropy comes back to it.
    if (room !== undefined) void room.current().catch(() => undefined);
    services.publish({ kind: "change", docId });
  }

  return {
    async submit(docId, request) {
      const room = await registry.open(docId);
      if (room === undefined) return gone;
      const { base, ops, onConflict } = request;
      return submitEdit(room, store, request, { ops, base, onConflict });
    },

    async replaceContent(docId, request) {
      const room = await registry.current(docId);
      if (room === undefined) return gone;
      const refusal = request.authorise(room.document);
      if (refusal !== undefined) return { ok: false, ...refusal, version: room.version };
      const { version } = request;
      if (room.version !== version) {
        const message = `expected version ${version}, the document is at version ${room.version}`;
        return { ok: false, code: "version_mismatch", message, version: room.version };
      }
      const ops = replacement(room.state.elements, request.elements, newId);
      if (ops.length === 0) return { ok: true, version, versions: [], statuses: [], duplicate: false };
      return submitEdit(room, store, request, { ops, base: version, exactly: version });
    },

    async resolve(docId, request) {
      const room = await registry.open(docId);
      if (room === undefined) return { ok: false, refusal: { code: gone.code, message: gone.message } };
      return room.resolve(request);
    },

    async content(docId) {
      const room = await registry.current(docId);
      if (room === undefined) return undefined;
      const { version, parts } = room.encoded(0);
      return { version, encoded: await parts };
    },

    documentChanged: changed,

    async metadataChanged(before, after) {
      changed(after.docId);
      try {
        if ((await endLostLocks(store, before, after)) > 0) changed(after.docId);
      } catch (cause) {
        // The change stands. Rooms where the document is open try it too; else the leases end by themselves.
        services.log.warn(
          { err: cause, docId: after.docId },
          "could not end locks of who may not edit any more",
        );
      }
    },

    async locks(docId) {
      const [{ locks }, sessions] = await Promise.all([
        store.locks.list(docId),
        store.sessions.live([docId]),
      ]);
      const names = new Map(
        sessions.flatMap(({ user }) => (user.name === undefined ? [] : [[user.id, user.name] as const])),
      );
      return locks.map((lock) => lockInfo(lock, names));
    },

    async takeLock(docId, request) {
      const room = await registry.open(docId);
      return room === undefined ? gone : takeLock(room, request);
    },

    async releaseLock(docId, request) {
      const room = await registry.open(docId);
      return room === undefined ? gone : releaseLock(room, request);
    },

    async sessions(docId) {
      const rows = await store.sessions.live([docId]);
      const present = new Map(
        (registry.get(docId)?.sessions() ?? []).map((session) => [session.sessionId, session]),
      );
      return rows.map(
        ({ id, client, user, role, joinedAt }): SessionInfo =>
          present.get(id) ?? { sessionId: id, clientId: client, user, role, joinedAt, presence: null },
      );
    },
  };
}
