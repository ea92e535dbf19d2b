// Loaded into a server (`node --import …`): from one SIGUSR2 to the next it is noted what the server's own code makes
// (but for calls of the driver, of which a fifth stays whoever makes them) and what of it was moved to the old generation, of which only a collection of all the heap frees anything. The
// second one prints it, and a third begins anew: `survivors {"bytes": …, "places": […]}`.
import { Session } from "node:inspector/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
const session = new Session();
session.connect();
let noting = false;

process.on("SIGUSR2", async () => {
  if (!noting) {
    noting = true;
    await session.post("HeapProfiler.startSampling", {
      samplingInterval: 1_024,
      // What is left out: what a collection of the young generation found dead.
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: false,
    });
    return;
  }
  // What has just been made is not moved yet, and mostly dead.
  gc({ type: "minor" });
  gc({ type: "minor" });
  const { profile } = await session.post("HeapProfiler.stopSampling");
  noting = false;
  const places = new Map();
  add(profile.head, "", places);
  const sorted = [...places].sort((a, b) => b[1] - a[1]).map(([place, bytes]) => `${bytes} ${place}`);
  const bytes = [...places.values()].reduce((sum, each) => sum + each, 0);
  console.log(`survivors ${JSON.stringify({ bytes, places: sorted.slice(0, 10) })}`);
});

/** What the engine makes for a function counts as the function's. */
function add({ callFrame, selfSize, children }, caller, places) {
  const own = /\/dist\/(shared|server\/(?!store|database))\/?.*$/.exec(callFrame.url)?.[0];
  const native = callFrame.url === "";
  const place = own === undefined ? (native ? caller : "") : `${callFrame.functionName} ${own}`;
  if (place !== "" && selfSize > 0) places.set(place, (places.get(place) ?? 0) + selfSize);
  for (const child of children) add(child, place, places);
}
