import type { EditResult } from "../room/edits.ts";
import { refused } from "./problem.ts";

/** The body of a stored edit. Throws the problem of a refused one. */
export function editAnswer(result: EditResult) {
  if (!result.ok) throw refused(result);
  const { version, versions, statuses, duplicate } = result;
  return { version, versions: [...versions], statuses: [...statuses], duplicate };
}
