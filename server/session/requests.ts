/** Messages of a session that carry a `requestId`: each is answered by one `result`. */
import type { ResolveCommand, Result } from "../../shared/protocol/messages.ts";
import type { Logger } from "../observability/log.ts";
import { conflictInfo } from "../room/conflicts.ts";
import type { ResolveRequest, ResolveResult } from "../room/resolving.ts";
import type { Submission } from "../room/submission.ts";
import { type Origin, StoreUnavailable } from "../store/store.ts";

/** Where a request of a session goes, and whose it is. */
export interface RequestContext {
  readonly room: { resolve(request: ResolveRequest): Promise<ResolveResult> };
  /** The session's own author. */
  readonly origin: Origin;
  readonly authorise: Submission["authorise"];
  readonly log: Logger;
}

/** Resolves a conflict; the result is to be sent when this resolves, after the operations of the choice. */
export async function answerResolve(command: ResolveCommand, context: RequestContext): Promise<Result> {
  const { requestId, conflictId, choose, base } = command;
  const { room, authorise, log } = context;
  const { client, ...origin } = context.origin;
  try {
    const resolved = await room.resolve({
      conflictId,
      choose,
      ...(base === undefined ? {} : { base }),
      origin: { ...origin, client: "server", lockClient: client },
      authorise,
    });
    if (resolved.ok)
      return { type: "result", requestId, ok: true, conflict: conflictInfo(resolved.conflict) };
    return { type: "result", requestId, ok: false, ...resolved.refusal };
  } catch (cause) {
    const unavailable = cause instanceof StoreUnavailable;
    if (unavailable) log.warn({ err: cause }, "could not resolve a conflict");
    else log.error({ err: cause }, "resolving a conflict failed");
    const message = unavailable ? "the database did not answer" : "something went wrong";
    return { type: "result", requestId, ok: false, code: unavailable ? "unavailable" : "internal", message };
  }
}
