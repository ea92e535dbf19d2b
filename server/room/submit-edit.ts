/** One edit without a socket, through a room's queue to its answer. */
import type { EditRequest, EditResult } from "./edits.ts";
import type { Room } from "./room.ts";
import type { Submission } from "./submission.ts";

/** What there is to submit, beside who does it. */
export type Edit = Pick<Submission, "ops" | "base" | "onConflict" | "exactly" | "compose">;

/** Resolves when it is durably committed or refused. The commit itself records the request's session, by which the log is looked up by user. */
export function submitEdit(room: Room, { origin, authorise }: EditRequest, edit: Edit): Promise<EditResult> {
  return new Promise((resolve) => {
    room.submit({
      ...edit,
      origin,
      authorise,
      channel: {},
      answer(answer) {
        switch (answer.outcome) {
          case "sequenced":
          case "duplicate": {
            const { versions } = answer;
            const statuses =
              answer.outcome === "sequenced" ? answer.statuses : versions.map(() => "applied" as const);
            resolve({
              ok: true,
              version: versions.reduce((newest, version) => Math.max(newest, version), 0) || room.version,
              versions,
              statuses,
              duplicate: answer.outcome === "duplicate",
            });
            return;
          }
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
