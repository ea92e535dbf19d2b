/** One run: two documents on the rig, the steps, the settling, the invariants. */
import { setImmediate as turn } from "node:timers/promises";
import { Board } from "./board.ts";
import { problemsOf } from "./invariants.ts";
import type { Rig } from "./rig.ts";
import { leave, settle } from "./settle.ts";
import { documentCount, type Step } from "./steps.ts";

/** How much of a failure is told. */
const maxProblems = 8;
const maxProblemLength = 4_000;

let runs = 0;

export interface RunOutcome {
  /** Of both documents: versions, and what happened, to show that anything did. */
  readonly versions: number;
  readonly seen: ReadonlySet<string>;
}

/** @throws with the first problems, when there are any. */
export async function run(rig: Rig, steps: readonly Step[]): Promise<RunOutcome> {
  const number = ++runs;
  const boards = await Promise.all(
    Array.from({ length: documentCount }, (_, index) => Board.create(rig, `m${number}${"ab"[index]}-`)),
  );
  const problems: string[] = [];
  try {
    for (const step of steps) {
      await boards[step.document]?.take(step);
      await turn(); // The SDK sends at the end of a task.
    }
    for (const found of await Promise.all(boards.map(settle))) problems.push(...found);
    for (const found of await Promise.all(boards.map(problemsOf))) problems.push(...found);
  } finally {
    for (const found of await Promise.all(boards.map(leave))) problems.push(...found);
  }
  if (problems.length > 0) {
    const shown = problems.slice(0, maxProblems).map((problem) => problem.slice(0, maxProblemLength));
    throw new Error(`${problems.length} problem(s):\n- ${shown.join("\n- ")}`);
  }
  return {
    versions: boards.reduce(
      (sum, { actors }) => sum + Math.max(0, ...actors.map(({ replica }) => replica?.version ?? 0)),
      0,
    ),
    seen: new Set(boards.flatMap(happened)),
  };
}

/** What went over the wire, by kind. */
function happened(board: Board): string[] {
  const kinds = board.records.sessions.flatMap(({ frames }) =>
    frames.flatMap(({ by, message }) => {
      if (by === "client") return [];
      if (message.type === "reject") return [`reject ${message.code}`];
      if (message.type === "result")
        return message.ok
          ? [message.lock ? "granted" : message.conflict ? "resolved" : "released"]
          : [`refused ${message.code}`];
      return [message.type];
    }),
  );
  const edits = board.restEdits.map(({ kind, status }) => `${kind} ${status}`);
  return [...kinds, ...edits, ...board.sentAway.map(({ code }) => `closed ${code}`)];
}
