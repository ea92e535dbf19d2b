/** R1–R9 of one document after a run; an empty list is what has to come out. R10 is in settle.ts. */
import type { Json } from "../../client/index.ts";
import { verifyDocument } from "../../server/store/verify.ts";
import { jsonEqual } from "../../shared/document/json.ts";
import type { Board } from "./board.ts";
import { type Evidence, gather, mayRead } from "./evidence.ts";
import { fateProblems } from "./fates.ts";
import { leaseProblems } from "./leases.ts";
import { replay } from "./replay.ts";
import { streamProblems } from "./streams.ts";

/** How long what a session may no longer read may still reach it. */
const revocationMs = 5_000;

export async function problemsOf(board: Board): Promise<string[]> {
  const found = await verifyDocument(board.rig.database.pool, board.id);
  const evidence = await gather(board);
  const { log } = evidence;
  return [
    ...found.map(({ problem, message }) => `verify: ${problem}: ${message}`),
    ...board.surprises,
    ...log.flatMap(({ version }, index) =>
      version === index + 1 ? [] : [`R1: version ${version} stands at place ${index + 1}`],
    ),
    ...contentProblems(board, evidence),
    ...streamProblems(board, evidence, (version) => replay(log, version)),
    ...fateProblems(board, evidence),
    ...leaseProblems(board, evidence),
    ...revocationProblems(board),
  ];
}

/** R5: replicas, content and the replay of the log are one. */
function contentProblems(board: Board, { log, contents, pastContents }: Evidence): string[] {
  const problems: string[] = [];
  const compare = (of: string, elements: object, version: number): void => {
    const replayed = Object.fromEntries(replay(log, version));
    if (!jsonEqual(elements as Json, replayed as Json))
      problems.push(
        `R5: ${of} at ${version} is ${JSON.stringify(elements)}, a replay gives ${JSON.stringify(replayed)}`,
      );
  };
  for (const { actor, replica } of board.live) {
    compare(`${actor.user}'s replica`, Object.fromEntries(replica.confirmedElements), replica.version);
    compare(`${actor.user}'s view`, Object.fromEntries(replica.elements), replica.version);
  }
  for (const [instance, { version, elements }] of contents.entries()) {
    if (version !== log.length) problems.push(`R1: instance ${instance} is at ${version} of ${log.length}`);
    compare(`the content of instance ${instance}`, elements, version);
  }
  for (const { version, elements } of pastContents) compare("the content", elements, version);
  return problems;
}

/** R8: who may not read is told nothing more, and nobody is sent away who may. */
function revocationProblems(board: Board): string[] {
  const problems: string[] = [];
  const made = [...board.changes].sort((a, b) => a.document.metadataVersion - b.document.metadataVersion);
  for (const [index, { document, answeredAtMs }] of made.entries()) {
    const until = made[index + 1]?.sentAtMs ?? Number.POSITIVE_INFINITY;
    for (const { user, frames } of board.records.sessions) {
      if (mayRead(document, user)) continue;
      const late = frames.find(
        ({ by, atMs }) => by === "server" && atMs > answeredAtMs + revocationMs && atMs < until,
      );
      if (late !== undefined)
        problems.push(
          `R8: ${user} was sent ${late.message.type} ${late.atMs - answeredAtMs} ms after a revocation`,
        );
    }
  }
  for (const { user, code, atMs } of board.sentAway) {
    const reason = made.some(({ document, sentAtMs }) => sentAtMs <= atMs && !mayRead(document, user));
    if ((code !== 4403 && code !== 4404) || !reason)
      problems.push(`${user} was sent away with ${code}, for no reason`);
  }
  return problems;
}
