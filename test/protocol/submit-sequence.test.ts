import { describe, expect, it } from "vitest";
import { SubmitSequence } from "../../server/session/submit-sequence.ts";

describe("the numbers of a connection's submits", () => {
  it("[seq-1] one that was not handled comes again, and everything behind it gets its code until then", () => {
    const submits = new SubmitSequence();
    for (const seq of [1, 2, 3]) expect(submits.receive(seq)).toEqual({ outcome: "next" });
    submits.handled(1);
    submits.unhandled(2, "unavailable");
    submits.unhandled(3, "unavailable");
    expect(submits.receive(4)).toEqual({ outcome: "held", code: "unavailable" });
    expect(submits.receive(3)).toEqual({ outcome: "held", code: "unavailable" });
    expect(submits.receive(1)).toEqual({ outcome: "unexpected", expected: 2 });
    for (const seq of [2, 3, 4]) expect(submits.receive(seq)).toEqual({ outcome: "next" });
    expect(submits.unanswered).toBe(3);
  });

  it("[seq-2] a final answer that overtook an earlier submit is not expected again", () => {
    const submits = new SubmitSequence();
    for (const seq of [1, 2, 3]) submits.receive(seq);
    submits.handled(2);
    submits.unhandled(1, "unavailable");
    submits.unhandled(3, "unavailable");
    expect(submits.receive(1)).toEqual({ outcome: "next" });
    expect(submits.receive(2)).toEqual({ outcome: "unexpected", expected: 3 });
    expect(submits.receive(3)).toEqual({ outcome: "next" });
    expect(submits.receive(4)).toEqual({ outcome: "next" });
    for (const seq of [1, 3, 4]) submits.handled(seq);
    expect(submits.unanswered).toBe(0);
    expect(submits.receive(5)).toEqual({ outcome: "next" });
  });

  it("[seq-3] behind one that is over a limit and not judged yet, all are held at once, and first where it was no repeat", () => {
    const submits = new SubmitSequence();
    for (const seq of [1, 2]) submits.receive(seq);
    submits.limited(2);
    expect(submits.receive(5)).toEqual({ outcome: "unexpected", expected: 3 });
    for (const seq of [3, 4, 3])
      expect(submits.receive(seq)).toEqual({ outcome: "held", code: "rate_limited" });
    expect(submits.unanswered).toBe(2);
    submits.unhandled(2, "rate_limited");
    expect(submits.receive(3)).toEqual({ outcome: "held", code: "rate_limited" });
    expect(submits.receive(2)).toEqual({ outcome: "next" });
    expect(submits.receive(3)).toEqual({ outcome: "next" });
  });

  it("[seq-4] one over a limit that was a repeat is handled; those that were held behind it come again in order", () => {
    const submits = new SubmitSequence();
    submits.receive(1);
    submits.limited(1);
    for (const seq of [2, 3]) submits.receive(seq);
    submits.handled(1);
    expect(submits.receive(3)).toEqual({ outcome: "held", code: "rate_limited" });
    for (const seq of [2, 3]) expect(submits.receive(seq)).toEqual({ outcome: "next" });
  });

  it("[seq-1] a number that comes again while its first submit is still open is open once", () => {
    const submits = new SubmitSequence();
    for (const seq of [1, 2]) submits.receive(seq);
    submits.unhandled(1, "unavailable");
    for (const seq of [1, 2]) expect(submits.receive(seq)).toEqual({ outcome: "next" });
    for (const seq of [1, 2]) submits.handled(seq);
    expect([submits.unanswered, submits.open.size]).toEqual([0, 0]);
  });
});
