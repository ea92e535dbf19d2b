/** Edits without a socket, over the same rooms, rules, log and fan-out as those of sessions. */
import type { Properties } from "../../shared/document/json.ts";
import { jsonEqual } from "../../shared/document/json.ts";
import type { Operation, OperationStatus } from "../../shared/document/operation.ts";
import type { SessionInfo } from "../../shared/protocol/messages.ts";
import type { DocumentEdits, EditRequest, EditResult } from "./edits.ts";
import { lockInfo } from "./lock-info.ts";
import { endLostLocks, releaseLock, takeLock } from "./lock-requests.ts";
import type { RoomRegistry } from "./registry.ts";
import type { Room } from "./room.ts";
import type { RoomServices } from "./services.ts";
import type { Submission } from "./submission.ts";

const gone = { ok: false, code: "not_found", message: "no such document" } as const;

export function createDocumentEdits(registry: RoomRegistry, services: RoomServices): DocumentEdits {
  const { store, newId } = services;

  /** The commit itself records the request's session, by which the log is looked up by user. */
  function submit(
    room: Room,
    { origin, authorise }: EditRequest,
    submission: Pick<Submission, "ops" | "base" | "onConflict" | "exactly">,
  ): Promise<EditResult> {
    return new Promise((resolve, reject) => {
      room.submit({
        ...submission,
        origin,
        authorise,
        channel: {},
        answer(answer) {
          switch (answer.outcome) {
            case "sequenced":
              resolve(stored(answer.versions, answer.statuses, false));
              return;
            case "duplicate":
              storedStatuses(room.docId, answer.versions).then(
                (statuses) => resolve(stored(answer.versions, statuses, true)),
                reject,
              );
              return;
            case "refused":
              resolve({ ok: false, ...answer.refusal, version: answer.version });
              return;
            case "unavailable":
              resolve({
                ok: false,
                code: "unavailable",
                message: "the database did not answer",
                version: answer.version,
              });
          }
        },
      });
    });
  }

  function changed(docId: string): void {
    const room = registry.get(docId);
    // A failure is the database's absence; anti-entropy comes back to it.
    if (room !== undefined) void room.current().catch(() => undefined);
    services.publish({ kind: "change", docId });
  }

  /** What became of operations that were in the log already. */
  async function storedStatuses(docId: string, versions: readonly number[]): Promise<OperationStatus[]> {
    const rows = await store.operations.byVersion(docId, Math.min(...versions), Math.max(...versions));
    const byVersion = new Map(rows.map((row) => [row.version, row.status]));
    // Archived ones are settled.
    return versions.map((version) => byVersion.get(version) ?? "applied");
  }

  return {
    async submit(docId, request) {
      const room = await registry.open(docId);
      if (room === undefined) return gone;
      const { base, ops, onConflict } = request;
      return submit(room, request, { ops, base, ...(onConflict === undefined ? {} : { onConflict }) });
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
      return submit(room, request, { ops, base: version, exactly: version });
    },

    async resolve(docId, request) {
      const room = await registry.open(docId);
      if (room === undefined) return { ok: false, refusal: { code: gone.code, message: gone.message } };
      return room.resolve(request);
    },

    async content(docId) {
      const room = await registry.open(docId);
      if (room === undefined || !(await room.current())) return undefined;
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

function stored(
  versions: readonly number[],
  statuses: readonly OperationStatus[],
  duplicate: boolean,
): EditResult {
  const version = versions.reduce((newest, each) => Math.max(newest, each), 0);
  return { ok: true, version, versions, statuses, duplicate };
}

/** The operations that turn one content into another: deletions first, so that limits of size hold on the way. */
function replacement(
  current: ReadonlyMap<string, Properties>,
  wanted: ReadonlyMap<string, Properties>,
  newId: () => string,
): Operation[] {
  const ops: Operation[] = [];
  for (const element of current.keys()) {
    if (!wanted.has(element)) ops.push({ id: newId(), type: "delete", element });
  }
  for (const [element, properties] of wanted) {
    const before = current.get(element);
    if (before === undefined) {
      ops.push({ id: newId(), type: "create", element, props: properties });
      continue;
    }
    const set = Object.entries(properties).filter(([name, value]) => {
      const old = before[name];
      return old === undefined || !jsonEqual(old, value);
    });
    const unset = Object.keys(before).filter((name) => properties[name] === undefined);
    if (set.length === 0 && unset.length === 0) continue;
    ops.push({
      id: newId(),
      type: "update",
      element,
      ...(set.length === 0 ? {} : { set: Object.fromEntries(set) }),
      ...(unset.length === 0 ? {} : { unset }),
    });
  }
  return ops;
}
