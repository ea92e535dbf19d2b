/**
 * What a session needs once it changes something: its submits, its requests, and the rate that both share. Made with the
 * first of them, because most members of a document read and watch: together they are 2 kB.
 */
import type { Ack, Reject, Result } from "../../shared/protocol/messages.ts";
import { type Requester, type RequestRoom, Requests } from "./requests.ts";
import type { SessionServices } from "./services.ts";
import { SubmitIntake } from "./submit-intake.ts";

export interface Editing {
  readonly submits: SubmitIntake;
  readonly requests: Requests;
  /** Resolves when everything that came before this call is handled. */
  settled(): Promise<void>;
}

export function createEditing(options: {
  readonly session: Requester;
  /** Undefined: it has ended. */
  readonly room: () => RequestRoom | undefined;
  readonly services: SessionServices;
  readonly send: (message: Ack | Reject | Result) => void;
}): Editing {
  const { session, room, services, send } = options;
  const { limits, manager } = services.config;
  const rate = services.createRate({
    perSecond: limits.opsPerSecond,
    burst: Math.max(limits.opsPerSecond, limits.maxOpsPerSubmit),
  });
  const submits = new SubmitIntake({
    limits,
    rate,
    metrics: services.metrics,
    channel: session,
    authorise: session.authorise,
    send,
  });
  const requests = new Requests({
    session,
    room,
    submitsAnswered: () => submits.answered(),
    tokens: services.tokens,
    rate,
    limits,
    lockTimeoutMs: manager.lockTimeoutMs,
    log: services.log,
    send,
  });
  return {
    submits,
    requests,
    async settled() {
      await Promise.all([submits.answered(), requests.handled()]);
    },
  };
}
