import { describe, expect, it } from "vitest";
import { looksOf } from "../../client-demo/app/people.ts";

const person = (id: string, name = id) => ({ user: { id, name } });

describe("how people are told apart", () => {
  it("[demo/looks] eleven people have eleven colours, the same on every page", () => {
    const people = Array.from({ length: 11 }, (_, at) => person(`person-${at}`));
    const looks = looksOf(people);
    expect(new Set([...looks.values()].map(({ colour }) => colour)).size).toBe(11);
    expect(looksOf(people.toReversed())).toEqual(looks);
    // A twelfth gets one of them.
    expect(looksOf([...people, person("one more")]).size).toBe(12);
  });

  it("[demo/looks] of two people with one name the second has a number; one person's windows are one", () => {
    const looks = looksOf([person("1", "Ada"), person("2", "Ada"), person("2", "Ada"), person("3", "Grace")]);
    expect([...looks.values()].map(({ name }) => name)).toEqual(["Ada", "Ada (2)", "Grace"]);
  });
});
