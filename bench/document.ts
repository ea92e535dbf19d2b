/**
 * What it costs to read, decide, apply and remember one operation, in µs of processor time
 * (`npx tsx bench/document.ts`). Fresh: its base is the current version. Stale: others wrote the property since.
 */
import { commitDraft, Draft, decide } from "../shared/document/decide.ts";
import { freezeMemory } from "../shared/document/document-memory.ts";
import { decodeMemory, encodeMemory } from "../shared/document/memory.ts";
import { encodeEffect, type Operation, readOperation } from "../shared/document/operation.ts";
import { createState, type DocumentState } from "../shared/document/state.ts";

const elementCount = 5_000;
const limits = { maxElements: 100_000, maxDocumentBytes: 64 * 1024 * 1024 };
const at = "2026-01-01T00:00:00.000Z";
let ids = 0;

function newId(): string {
  ids += 1;
  return `00000000-0000-7000-8000-${String(ids).padStart(12, "0")}`;
}

function drawing(): DocumentState {
  const state = createState();
  const draft = new Draft(state);
  for (let index = 0; index < elementCount; index++) {
    const props = {
      x: 1,
      y: 2,
      width: 3,
      height: 4,
      angle: 0,
      stroke: "#000",
      fill: "#fff",
      index: "a0",
      text: "hello",
      points: [1, 2],
    };
    const ops: Operation[] = [{ id: newId(), type: "create", element: `e${index}`, props }];
    decide(draft, {
      ops,
      base: 0,
      author: { user: "u", client: "c" },
      policy: "lww",
      retainedFrom: 1,
      limits,
    });
  }
  commitDraft(draft, { firstVersion: 1, at });
  return state;
}

function measure(name: string, rounds: number, perRound: number, round: () => void): void {
  for (let count = 0; count < Math.ceil(rounds / 5); count++) round();
  // Processor time, all threads' (garbage collection included): others on the machine do not count.
  const started = process.cpuUsage();
  for (let count = 0; count < rounds; count++) round();
  const { user, system } = process.cpuUsage(started);
  const microseconds = (user + system) / (rounds * perRound);
  console.log(`${name.padEnd(64)} ${microseconds.toFixed(2).padStart(8)} µs`);
}

const state = drawing();
const authors = Array.from({ length: 20 }, (_, index) => ({ user: `user${index}`, client: `c${index}` }));
let turn = 0;

/** Decides and commits batches of 20 single-operation submits, as a busy room does. */
function rounds(make: (index: number) => Operation, lag: number): () => void {
  return () => {
    const draft = new Draft(state);
    for (let index = 0; index < 20; index++) {
      turn += 1;
      const author = authors[turn % authors.length] ?? { user: "", client: "" };
      const base = Math.max(0, state.version - lag);
      const decision = decide(draft, {
        ops: [make(turn)],
        base,
        author,
        policy: "lww",
        retainedFrom: 1,
        limits,
      });
      if (decision.outcome !== "accepted") throw new Error(JSON.stringify(decision));
    }
    commitDraft(draft, { firstVersion: state.version + 1, at });
  };
}

const update = (element: string): Operation => ({ id: newId(), type: "update", element, set: { x: turn } });
const wire = JSON.stringify({ id: newId(), type: "move", element: "e1", set: { x: 100.5, y: 20.25 } });
const parsed: unknown = JSON.parse(wire);
const move: Operation = { id: newId(), type: "move", element: "e1", set: { x: 100.5, y: 20.25 } };

measure("readOperation, two properties", 200_000, 1, () => void readOperation(parsed));
measure("encodeEffect, two properties", 200_000, 1, () => void encodeEffect(move));
measure(
  "freezeMemory, 5,000 elements (µs an element)",
  50,
  elementCount,
  () => void freezeMemory(state.memory),
);
measure(
  "encodeMemory, 5,000 elements (µs an element)",
  10,
  elementCount,
  () => void [...encodeMemory(state.memory)].length,
);
const parts = [...encodeMemory(state.memory)];
measure("decodeMemory, 5,000 elements (µs an element)", 10, elementCount, () => void decodeMemory(parts));
console.log(
  `memory as text: ${parts.length} parts, ${parts.reduce((sum, part) => sum + part.length, 0)} units`,
);
measure(
  "decide and commit, fresh, an element each",
  5_000,
  20,
  rounds((index) => update(`e${index % elementCount}`), 0),
);
measure(
  "decide and commit, 20 authors on one property",
  5_000,
  20,
  rounds(() => update("e0"), 0),
);
measure(
  "decide and commit, the same, 200 versions stale",
  5_000,
  20,
  rounds(() => update("e0"), 200),
);
const typing = (index: number): Operation => ({
  id: newId(),
  type: "text",
  element: `e${1 + (index % 20)}`,
  splice: { text: [[0, 1, "x"]] },
});
measure("decide and commit, splices, fresh", 2_000, 20, rounds(typing, 0));
