/** Invariants of locks: R6. The tables say where in the log a lock began and ended, the records whether it had to. */
import type { Board } from "./board.ts";
import { type Evidence, type LockRow, mayEdit } from "./evidence.ts";

/** The end of a lease is written down by whoever notices, a moment later; clocks are read to the millisecond. */
const slackMs = 2;

export function leaseProblems(board: Board, { locks, lockEnds, log }: Evidence): string[] {
  const problems: string[] = [];
  for (const [index, lock] of locks.entries()) {
    const end = lockEnds.get(lock.id);
    const name = `lock ${lock.token} of ${lock.user} (${lock.client}) on ${lock.element}`;
    if (lock.token !== index + 1) problems.push(`R6: ${name} is number ${index + 1}`);
    const until = end?.version ?? Number.POSITIVE_INFINITY;
    for (const op of log) {
      if (op.version <= lock.version || op.version > until || !covers(lock, op.element)) continue;
      // What the server composed is by its caller, whose replica is not named.
      const own = op.user === lock.user && (op.client === lock.client || op.client === "server");
      if (!own) problems.push(`R6: version ${op.version} by ${op.user} trespasses on ${name}`);
    }
    for (const later of locks.slice(index + 1)) {
      const others = later.user !== lock.user || later.client !== lock.client;
      const clash = lock.element === null || later.element === null || lock.element === later.element;
      const ended = end !== undefined && end.token < later.token;
      if (others && clash && !ended) problems.push(`R6: lock ${later.token} was granted beside ${name}`);
    }
    if (end !== undefined && end.atMs < lock.expiresAtMs - slackMs && !hadToEnd(board, lock, end.atMs))
      problems.push(`R6: ${name} ended ${lock.expiresAtMs - end.atMs} ms before its time, for no reason`);
  }
  return [...problems, ...grantProblems(board, locks)];
}

function covers({ element }: LockRow, other: string): boolean {
  return element === null || element === other;
}

/** Released by its author's user or the owner, given up by a goodbye, or lost with the right to edit. */
function hadToEnd(board: Board, lock: LockRow, atMs: number): boolean {
  const before = ({ atMs: then }: { readonly atMs: number }) => then <= atMs + slackMs;
  const inSession = board.records.sessions.some(({ user, frames, hello, closed }) => {
    if (user !== lock.user && user !== "ada") return false;
    const released = frames.some(
      (frame) =>
        frame.by === "client" &&
        before(frame) &&
        frame.message.type === "lock" &&
        frame.message.action === "release" &&
        (frame.message.element ?? null) === lock.element,
    );
    // Sent before it is noted here as closed.
    const goodbye = closed?.byClient === 1000 && user === lock.user && hello?.clientId === lock.client;
    return released || goodbye;
  });
  return (
    inSession ||
    lock.client === "last" ||
    board.changes.some(
      ({ document, sentAtMs }) =>
        sentAtMs <= atMs + slackMs && (!mayEdit(document, lock.user) || document.state !== "active"),
    )
  );
}

/** What clients were granted is what the table says. */
function grantProblems(board: Board, locks: readonly LockRow[]): string[] {
  const rows = new Map(locks.map((lock) => [lock.id, lock]));
  const problems: string[] = [];
  for (const { frames } of board.records.sessions) {
    for (const { message } of frames) {
      const told = message.type === "locks" ? message.locks : [];
      const granted = message.type === "result" && message.ok && message.lock ? [message.lock] : [];
      for (const { id, element, token, version, clientId, user } of [...told, ...granted]) {
        const row = rows.get(id);
        const same =
          row?.element === element &&
          row.token === token &&
          row.version === version &&
          row.client === clientId &&
          row.user === user.id;
        if (!same)
          problems.push(`R6: told of lock ${token} on ${element}, the table has ${JSON.stringify(row)}`);
      }
    }
  }
  return problems;
}
