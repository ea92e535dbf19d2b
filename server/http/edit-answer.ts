import type { EditResult } from "../room/edits.ts";
import { Problem } from "./problem.ts";

/** The body of a stored edit. Throws the problem of a refused one. */
export function editAnswer(result: EditResult) {
  if (result.ok) {
    const { version, versions, statuses, duplicate } = result;
    return { version, versions: [...versions], statuses: [...statuses], duplicate };
  }
  const { code, message, details, version } = result;
  throw new Problem({ code, detail: message, details, version });
}
