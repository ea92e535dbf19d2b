import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionInfo } from "../../client/index.ts";
import { Comings } from "../../client-demo/board/comings.ts";

const session = (sessionId: string, id: string, name = id): SessionInfo => ({
  sessionId,
  user: { id, name },
  clientId: `client-${id}`,
  role: "editor",
  joinedAt: "2026-01-01T00:00:00.000Z",
  presence: null,
});

describe("who comes and goes", () => {
  let others: SessionInfo[];
  let told: string[];
  let comings: Comings;
  beforeEach(() => {
    vi.useFakeTimers();
    others = [session("1", "grace", "Grace")];
    told = [];
    comings = new Comings({
      others: () => others,
      self: () => "ada",
      tell: (sentence) => told.push(sentence),
    });
  });
  afterEach(() => {
    comings.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
  const now = (...sessions: SessionInfo[]): void => {
    others = sessions;
    comings.changed();
  };
  const aWhile = (): void => void vi.advanceTimersByTime(20_000);

  it("[demo/comings] who was here when the board opened is no news; who comes then is", () => {
    now(...others);
    expect(told).toEqual([]);
    now(...others, session("2", "mary", "Mary"));
    expect(told).toEqual(["Mary is here"]);
  });

  it("[demo/comings] a session that is replaced by another of its user is nobody's leaving", () => {
    now(session("2", "grace", "Grace"));
    aWhile();
    expect(told).toEqual([]);
  });

  it("[demo/comings] who is back after some seconds was not gone, who stays away was", () => {
    now();
    vi.advanceTimersByTime(4_000);
    now(session("2", "grace", "Grace"));
    aWhile();
    expect(told).toEqual([]);
    now();
    aWhile();
    expect(told).toEqual(["Grace left"]);
    now(session("3", "grace", "Grace"));
    expect(told).toEqual(["Grace left", "Grace is here"]);
  });

  it("[demo/comings] another tab, one's own or somebody else's, neither comes nor leaves", () => {
    now(...others, session("2", "grace", "Grace"), session("3", "ada", "Ada"));
    now(session("2", "grace", "Grace"));
    aWhile();
    expect(told).toEqual([]);
  });

  it("[demo/comings] several are named in one sentence, many are counted", () => {
    const people = ["ben", "carl", "dora", "emil"].map((id) => session(id, id));
    now(...others, ...people.slice(0, 2));
    now(...others, ...people);
    now(people[0] as SessionInfo);
    now();
    aWhile();
    expect(told).toEqual([
      "ben and carl are here",
      "dora and emil are here",
      "Grace, ben, carl and 2 others left",
    ]);
  });
});
