/** Edits without a socket, over the same rooms, rules, log and fan-out as those of sessions. */
import type { SessionInfo } from "../../shared/protocol/messages.ts";
import type { DocumentEdits, EditResult } from "./edits.ts";
import type { RoomRegistry } from "./registry.ts";
import { replacement } from "./replacement.ts";
import type { RoomServices } from "./services.ts";
import { submitEdit } from "./submit-edit.ts";

const gone: EditResult = { ok: false, code: "not_found", message: "no such document" };

export function createDocumentEdits(registry: RoomRegistry, services: RoomServices): DocumentEdits {
  const { store, newId } = services;

  return {
    async submit(docId, request) {
      const room = await registry.open(docId);
      if (room === undefined) return gone;
      const { base, ops, onConflict } = request;
      return submitEdit(room, request, { ops, base, ...(onConflict === undefined ? {} : { onConflict }) });
    },

    async replaceContent(docId, request) {
      const room = await registry.open(docId);
      if (room === undefined || !(await room.current())) return gone;
      const refusal = request.authorise(room.document);
      if (refusal !== undefined) return { ok: false, ...refusal, version: room.version };
      const { version } = request;
      if (room.version !== version) {
        const message = `expected version ${version}, the document is at version ${room.version}`;
        return { ok: false, code: "version_mismatch", message, version: room.version };
      }
      const ops = replacement(room.state.elements, request.elements, newId);
      if (ops.length === 0) return { ok: true, version, versions: [], statuses: [], duplicate: false };
      return submitEdit(room, request, { ops, base: version, exactly: version });
    },

    async content(docId) {
      const room = await registry.open(docId);
      if (room === undefined || !(await room.current())) return undefined;
      const { version, parts } = room.encoded(0);
      return { version, encoded: await parts };
    },

    documentChanged(docId) {
      const room = registry.get(docId);
      // A failure is the database's absence; anti-entropy comes back to it.
      if (room !== undefined) void room.current().catch(() => undefined);
      services.publish({ kind: "change", docId });
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
