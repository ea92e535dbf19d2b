import { expect, it } from "vitest";
import { Repeatable } from "../../server/room/repeatable.ts";

it("[repeat-1] no two runs overlap, also when somebody starts one in the moment between two", async () => {
  let running = 0;
  let most = 0;
  let runs = 0;
  const work = new Repeatable(async () => {
    running += 1;
    runs += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    await Promise.resolve();
    running -= 1;
  });
  const first = work.start();
  const between = first.then(() => work.start());
  const second = work.start();
  await Promise.all([first, second, between]);
  expect({ most, runs }).toEqual({ most: 1, runs: 2 });
});
