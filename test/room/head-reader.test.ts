import { expect, it } from "vitest";
import { createHeadReader } from "../../server/room/head-reader.ts";
import { type JoinRequest, startOf } from "../../server/room/joining.ts";
import { Tail } from "../../server/room/tail.ts";
import type { Head, HeadQuery } from "../../server/store/store.ts";

const head: Head = {
  docId: "d",
  state: "active",
  version: 9,
  operationId: null,
  metadataVersion: 1,
  revision: 0,
};
const author = { user: "u", client: "c" };

it("[room/heads] questions about one document share a read, each is told of its own ids, and what that costs grows with them", async () => {
  let looks = 0;
  const reads: (readonly HeadQuery[])[] = [];
  const reader = createHeadReader({
    documents: {
      async heads(queries) {
        reads.push(queries);
        return queries.map(({ ids = [] }) => ({
          head,
          retainedFrom: 1,
          known: ids
            .filter((id) => !id.endsWith("absent"))
            .map((id, version) => ({
              get id() {
                looks += 1;
                return id;
              },
              version,
              ...author,
            })),
        }));
      },
    },
  });
  const asked = Array.from({ length: 200 }, (_, at) => [`${at}`, `${at}b`, `${at}`, `${at}absent`]);
  const answers = await Promise.all([...asked.map((ids) => reader.read("d", ids)), reader.read("d")]);
  expect(looks).toBe(400); // as many as are known; 200 times as many when each question looks at all of them
  expect(reads).toHaveLength(1);
  const told = answers.map((answer) => answer?.known.map(({ id }) => id));
  expect(told).toEqual([...asked.map(([first, second]) => [first, second]), []]);
});

it("[resume-5] which of a joiner's pending operations are in the log is looked up, not searched for each of them", () => {
  let looks = 0;
  const ids = Array.from({ length: 1_000 }, (_, at) => `${at}`);
  const pending = new Proxy(ids, {
    get: (of, name) => {
      looks += 1;
      return Reflect.get(of, name);
    },
  });
  const request = { member: { author }, presence: null, since: 0, sinceId: undefined, pending };
  const { committed } = startOf(request as unknown as JoinRequest, {
    known: [...ids, "since"].map((id, version) => ({ id, version, ...author })),
    version: 0,
    retainedFrom: 1,
    tail: new Tail(),
    encoded: () => ({ version: 0, operationId: null, parts: Promise.resolve([]), bytes: 0 }) as never,
  });
  expect(committed).toEqual(Object.fromEntries(ids.map((id, version) => [id, version])));
  expect(looks).toBeLessThan(10 * ids.length);
});
