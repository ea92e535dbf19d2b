/**
 * Runs that found something once, as their steps were when they had shrunk. The time between two steps is the machine's,
 * so a run does not repeat exactly: each is tried a few times. What needed a moment that cannot be met again has a test
 * of its own: undoing a deletion that is being held back is in test/client/conflicts.test.ts.
 */
import type { Step } from "./steps.ts";

export interface Pinned {
  /** What it found. */
  readonly found: string;
  readonly steps: readonly Step[];
}

const at = (document: number, who: number) => ({ document, who });
const everyone = [0, 1, 2, 3, 4];

export const pinned: readonly Pinned[] = [
  {
    found: "a role that changed while its notification was lost stayed as it was in others' presence",
    steps: [
      { do: "rights", document: 0, user: "ben", as: "viewer", instance: 0, wait: true },
      { do: "rights", document: 1, user: "cas", as: "viewer", instance: 1, wait: false },
      { do: "rights", document: 1, user: "dan", as: "editor", instance: 2, wait: false },
    ],
  },
  {
    found: "presence set between hello and welcome, or lost, or late behind a reconnect, was never shown",
    steps: [0, 1].flatMap((document): Step[] =>
      everyone.flatMap((who): Step[] => [
        { do: "show", ...at(document, who), value: 1 },
        { do: "kill", ...at(document, who) },
        { do: "edit", ...at(document, who), edits: [{ kind: "move", element: who % 3, value: who }] },
        { do: "show", ...at(document, who), value: 2 },
        { do: "kill", ...at(document, (who + 1) % 5) },
        { do: "show", ...at(document, who), value: 3 },
      ]),
    ),
  },
];
