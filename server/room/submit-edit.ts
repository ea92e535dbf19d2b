/** One edit without a socket, through a room's queue to its answer. */
import type { OperationStatus } from "../../shared/document/operation.ts";
import type { Store } from "../store/store.ts";
import type { EditRequest, EditResult } from "./edits.ts";
import type { Room } from "./room.ts";
import type { Submission } from "./submission.ts";

/** What there is to submit, beside who does it. */
export type Edit = Pick<Submission, "ops" | "base" | "onConflict" | "exactly" | "compose">;

type LogStore = Pick<Store, "operations">;

/** Resolves when it is durably committed or refused. The commit itself records the request's session, by which the log is looked up by user. */
export function submitEdit(
  room: Room,
  store: LogStore,
  { origin, authorise }: EditRequest,
  edit: Edit,
): Promise<EditResult> {
  return new Promise((resolve, reject) => {
    const stored = (
      versions: readonly number[],
      statuses: readonly OperationStatus[],
      duplicate: boolean,
    ): EditResult => {
      const version = versions.reduce((newest, each) => Math.max(newest, each), 0) || room.version;
      return { ok: true, version, versions, statuses, duplicate };
    };
    room.submit({
      ...edit,
      // Composed ones go alone.
      length: edit.ops.length === 0 ? 0 : JSON.stringify(edit.ops).length,
      origin,
      authorise,
      channel: {},
      answer(answer) {
        switch (answer.outcome) {
          case "sequenced":
            resolve(stored(answer.versions, answer.statuses, false));
            return;
          case "duplicate":
            storedStatuses(store, room.docId, answer.versions).then(
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

/** What became of operations that were in the log already. */
async function storedStatuses(
  store: LogStore,
  docId: string,
  versions: readonly number[],
): Promise<OperationStatus[]> {
  const rows = await store.operations.statuses(docId, versions);
  const byVersion = new Map(rows.map((row) => [row.version, row.status]));
  // Archived ones are settled.
  return versions.map((version) => byVersion.get(version) ?? "applied");
}
