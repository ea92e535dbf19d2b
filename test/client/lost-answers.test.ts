import { expect, test } from "vitest";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

const runs = Number(process.env.RUNS) || 40;
const firstSeed = Number(process.env.SEED) || 1;

test.each(["before commit", "committed", "notified"] as const)(
  "[sdk/lost-answer] a server that dies when a submit is %s: everything is there once, in order",
  async (deadly) => {
    let deaths = 0;
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const random = seededRandom(seed);
      const server = new ModelServer(random, "lww", { unavailable: 0.03, rateLimited: 0.02, snapshot: 0.3 });
      const world = new World(server, random);
      for (const user of ["ann", "ben", "cas"]) world.join(user);
      await world.drain();
      world.peers[0]?.document.transact((tx) => tx.create("shared", { list: [] }));
      await world.drain();
      let dead = false;
      server.dies = (point) => {
        if (point !== deadly || random.next() > 0.2) return false;
        deaths += 1;
        dead = true;
        return true;
      };
      let marks = 0;
      for (let count = 0; count < 200; count++) {
        const dice = random.next();
        if (dice < 0.3) {
          const mark = ++marks;
          const { document } = random.pick(world.peers);
          document.transact((tx) => tx.append("shared", "list", [`${document.clientId} ${mark}`]));
        } else if (dice < 0.9) world.deliverOne();
        else world.clock.advance(random.between(10, 1_000));
        if (dead) world.cutAll();
        dead = false;
        if (random.next() < 0.6) await world.settle();
      }
      server.dies = undefined;
      await world.drain();
      try {
        const list = server.elements.get("shared")?.list as string[];
        expect(new Set(list).size).toBe(marks);
        expect(list.length).toBe(marks);
        for (const { document, rejects, errors } of world.peers) {
          expect([...rejects, ...errors]).toEqual([]);
          expect(document.get("shared")).toEqual({ list });
          const own = list.filter((item) => item.startsWith(`${document.clientId} `));
          const order = own.map((item) => Number(item.split(" ")[1]));
          expect(order).toEqual([...order].sort((a, b) => a - b));
        }
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    expect(deaths).toBeGreaterThan(runs);
  },
);
