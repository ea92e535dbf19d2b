/** R10: when the faults end, everything comes together in time. Empty lists of problems are what is waited for. */
import { rest } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";
import type { Board } from "./board.ts";
import { conflictRows, mayEdit, mayRead } from "./evidence.ts";

const convergeMs = 10_000;
const presenceMs = 20_000;

/** What has not come together in time; takes everybody's locks and gives them back. */
export async function settle(board: Board): Promise<string[]> {
  await board.finished();
  await board.activate();
  await board.finished();
  const found = await Promise.all([
    inTime("converge", convergeMs, () => apart(board)),
    inTime("conflicts", convergeMs, () => untoldConflicts(board)),
    inTime("presence", presenceMs, () => absent(board)),
    inTime("locks", convergeMs, () => untoldLocks(board)),
  ]);
  return [...found.flat(), ...(await takeLocks(board))];
}

/** After everybody has closed: no session is left. */
export async function leave(board: Board): Promise<string[]> {
  await Promise.all(board.actors.map((actor) => actor.replica?.close()));
  return await inTime("leave", presenceMs, async () => {
    const left = await sessionsOf(board, 0);
    const activeUsers = await activeUsersOf(board);
    return left.length + activeUsers.length === 0
      ? []
      : [`sessions ${left.join()} and users ${activeUsers.join()} are left`];
  });
}

async function inTime(what: string, timeoutMs: number, look: () => Promise<string[]>): Promise<string[]> {
  let problems: string[] = [];
  const clear = async (): Promise<boolean> => {
    problems = await look();
    return problems.length === 0;
  };
  await waitFor(clear, { timeoutMs, intervalMs: 50 }).catch((error: unknown) => {
    if (problems.length === 0) problems = [String(error)];
  });
  return problems.map((problem) => `R10 ${what}, after ${timeoutMs} ms: ${problem}`);
}

async function apart(board: Board): Promise<string[]> {
  const { rows } = await board.rig.database.pool.query<{ version: number }>(
    "SELECT version FROM documents WHERE id = $1",
    [board.id],
  );
  const version = rows[0]?.version ?? 0;
  const rules = board.rules;
  const problems: string[] = [];
  for (const { actor, replica } of board.live) {
    const { connection, pendingCount, role, documentMetadata } = replica;
    const of = `${actor.user} (${replica.clientId})`;
    if (!mayRead(rules, actor.user)) {
      problems.push(`${of} is still there, and may not read`);
      continue;
    }
    if (connection.state !== "live") problems.push(`${of} is ${connection.state}`);
    if (pendingCount > 0) problems.push(`${of} has ${pendingCount} pending`);
    if (replica.version !== version) problems.push(`${of} is at ${replica.version} of ${version}`);
    const due = actor.user === rules.owner ? "owner" : mayEdit(rules, actor.user) ? "editor" : "viewer";
    if (role !== due) problems.push(`${of} believes to be ${role}, is ${due}`);
    if (documentMetadata?.metadataVersion !== rules.metadataVersion)
      problems.push(
        `${of} knows metadata ${documentMetadata?.metadataVersion}, which is at ${rules.metadataVersion}`,
      );
  }
  return problems;
}

/** Of every record made while a session was there, it was told the last state. */
async function untoldConflicts(board: Board): Promise<string[]> {
  const rows = await conflictRows(board);
  const problems: string[] = [];
  for (const { actor, session } of board.live) {
    const { welcome } = session;
    if (welcome === undefined) continue;
    const told = new Map<string, { operations: readonly string[]; resolvedBy: string | null }>();
    const made = new Set<string>();
    for (const frame of session.frames) {
      if (frame.by === "client") continue;
      const { message } = frame;
      if (message.type === "conflict" || message.type === "resolved")
        told.set(message.conflict.id, message.conflict);
      if (message.type !== "ops") continue;
      for (const { conflict, status, version } of message.ops)
        if (conflict !== undefined && status === "conflict" && version > welcome.version) made.add(conflict);
    }
    for (const { id, resolvedBy, operations } of rows) {
      const last = told.get(id);
      // Made while it was away, or resolved then: the application asks for the list.
      if (last === undefined && !made.has(id)) continue;
      const same =
        last !== undefined &&
        last.resolvedBy === resolvedBy &&
        (resolvedBy !== null || [...last.operations].sort().join() === [...operations].sort().join());
      if (!same)
        problems.push(
          `${actor.user} was told ${JSON.stringify(last)} of conflict ${id}, by ${resolvedBy} now`,
        );
    }
  }
  return problems;
}

async function sessionsOf(board: Board, instance: number): Promise<string[]> {
  const { rig, id } = board;
  const { body } = await rest<{ items: { sessionId: string }[] }>(
    rig.url(instance),
    rig.token("ada"),
    "GET",
    `/documents/${id}/sessions?limit=200`,
  );
  return body.items.map(({ sessionId }) => sessionId).sort();
}

async function activeUsersOf({ rig, id }: Board): Promise<readonly string[]> {
  const { rows } = await rig.database.pool.query<{ users: string[] }>(
    "SELECT active_users AS users FROM documents WHERE id = $1",
    [id],
  );
  return [...(rows[0]?.users ?? [])].sort();
}

/** Everybody sees everybody else, as they show themselves, and nobody besides. */
async function absent(board: Board): Promise<string[]> {
  const there = board.live.map(({ actor, replica }) => ({
    actor,
    replica,
    line: `${replica.sessionId} ${replica.role} ${JSON.stringify(board.shown(actor.shown))}`,
  }));
  const problems: string[] = [];
  for (const { actor, replica } of there) {
    const due = there.flatMap((other) => (other.replica === replica ? [] : [other.line])).sort();
    const seen = [...replica.presence.others.values()]
      .map(({ sessionId, role, presence }) => `${sessionId} ${role} ${JSON.stringify(presence)}`)
      .sort();
    if (due.join() !== seen.join())
      problems.push(`${actor.user} sees ${seen.join(" | ")} instead of ${due.join(" | ")}`);
  }
  const ids = there.map(({ replica }) => replica.sessionId ?? "").sort();
  for (const instance of board.rig.urls.keys()) {
    const listed = await sessionsOf(board, instance);
    if (listed.join() !== ids.join())
      problems.push(`instance ${instance} lists sessions ${listed.join()} instead of ${ids.join()}`);
  }
  const users = [...new Set(there.map(({ actor }) => actor.user))].sort();
  const active = await activeUsersOf(board);
  if (users.join() !== active.join())
    problems.push(`active users are ${active.join()} instead of ${users.join()}`);
  return problems;
}

async function activeLocks({ rig, id }: Board): Promise<string[]> {
  const { rows } = await rig.database.pool.query<{ id: string }>(
    "SELECT id FROM locks WHERE doc_id = $1 AND active ORDER BY id",
    [id],
  );
  return rows.map((row) => row.id);
}

/** Everybody shows the locks that stand, and no others. */
async function untoldLocks(board: Board): Promise<string[]> {
  const active = await activeLocks(board);
  return board.live.flatMap(({ actor, replica }) => {
    const shown = replica.locks.list.map(({ id }) => id).sort();
    return shown.join() === active.join()
      ? []
      : [`${actor.user} shows locks ${shown.join()}, active are ${active.join()}`];
  });
}

/** What was locked is given back or runs out, and then anybody may take it. */
async function takeLocks(board: Board): Promise<string[]> {
  const held = board.live.flatMap(({ replica }) => replica.locks.held.map((lock) => ({ replica, lock })));
  await Promise.all(
    held.map(({ replica, lock }) => replica.locks.release(lock.element).catch(() => undefined)),
  );
  const ran = await inTime("expiry", 5_000, async () => {
    const left = await activeLocks(board);
    return left.length === 0 ? [] : [`locks ${left.join()} do not end`];
  });
  const { rig, id } = board;
  const path = `/documents/${id}/locks`;
  const taken = await rest<{ id?: string }>(rig.url(1), rig.token("ada"), "POST", path, { clientId: "last" });
  const given = await rest(rig.url(2), rig.token("ada"), "DELETE", `${path}/${taken.body.id}`);
  if (taken.status === 200 && given.status === 204) return ran;
  return [...ran, `R10: the free document's lock was answered ${taken.status}, ${given.status}`];
}
