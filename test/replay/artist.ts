/** What one client does: draws its share of the scene, then edits what all have drawn. */
import { setTimeout as delay } from "node:timers/promises";
import type { DocumentReplica } from "../../client/index.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { growthOf, type SceneElement } from "./scene.ts";

export interface ArtistOptions {
  readonly name: string;
  readonly replica: DocumentReplica;
  readonly random: SeededRandom;
  /** Its share of the scene. */
  readonly elements: readonly SceneElement[];
  /** Gestures after the rebuilding. */
  readonly gestures: number;
  /** Called after each element and each gesture. */
  step(): void;
}

/** Changes that wait for their acknowledgement; above it a person would wait, too. */
const maxPending = 100;
const pointsAtOnce = 12;

export async function rebuild({ replica, random, elements, step }: ArtistOptions): Promise<void> {
  for (const element of elements) {
    const { first, points, words } = growthOf(element, pointsAtOnce);
    replica.transact((change) => change.create(element.id, first));
    for (const chunk of points) {
      await pause(replica, random);
      // Somebody may have deleted it meanwhile, once the first ones edit.
      replica.transact((change) => {
        if (change.get(element.id) !== undefined) change.append(element.id, "points", chunk);
      });
    }
    for (const word of words) {
      await pause(replica, random);
      replica.transact((change) => {
        const text = change.get(element.id)?.text;
        if (typeof text === "string") change.splice(element.id, "text", text.length, 0, word);
      });
    }
    await pause(replica, random);
    step();
  }
}

export async function edit(options: ArtistOptions): Promise<void> {
  const { replica, random, gestures, step } = options;
  for (let gesture = 0; gesture < gestures; gesture++) {
    const chance = random.next();
    if (chance < 0.4) await drag(options);
    else if (chance < 0.6) await type(options);
    else if (chance < 0.75) await stroke(options, gesture);
    else if (chance < 0.85) await scribbleOn(options);
    else if (chance < 0.93) await restyle(options);
    else await erase(options);
    await pause(replica, random);
    step();
  }
}

async function pause(replica: DocumentReplica, random: SeededRandom): Promise<void> {
  do await delay(random.between(1, 8));
  while (replica.pendingCount > maxPending && replica.connection.state !== "closed");
}

/** An element that fits, near a random place of the document: everybody often picks the same few. */
function pickElement({ replica, random }: ArtistOptions, type?: string): string | undefined {
  const ids: string[] = [];
  for (const [id, properties] of replica.elements)
    if (type === undefined || properties.type === type) ids.push(id);
  // Half of the gestures fall on the first tenth: people work where others do.
  const area = random.next() < 0.5 ? ids.slice(0, Math.max(1, Math.ceil(ids.length / 10))) : ids;
  return area.length === 0 ? undefined : random.pick(area);
}

async function drag(options: ArtistOptions): Promise<void> {
  const { replica, random } = options;
  const id = pickElement(options);
  if (id === undefined) return;
  const { x, y } = replica.get(id) ?? {};
  let at = { x: typeof x === "number" ? x : 0, y: typeof y === "number" ? y : 0 };
  for (let move = 0; move < 6; move++) {
    at = { x: at.x + random.between(-9, 9), y: at.y + random.between(-9, 9) };
    replica.transact((change) => {
      if (change.get(id) !== undefined) change.move(id, at);
    });
    await pause(replica, random);
  }
}

async function type(options: ArtistOptions): Promise<void> {
  const { replica, random } = options;
  const id = pickElement(options, "text");
  if (id === undefined) return;
  for (const key of random.pick(["again ", "später ", "完成 ", "🙂 ", "no. "])) {
    replica.transact((change) => {
      const text = change.get(id)?.text;
      if (typeof text !== "string") return;
      let at = random.between(0, text.length);
      if (/[\udc00-\udfff]/.test(text[at] ?? "")) at -= 1;
      const next = text.codePointAt(at);
      const deleted = random.next() < 0.2 && next !== undefined ? (next > 0xffff ? 2 : 1) : 0;
      change.splice(id, "text", at, deleted, key);
    });
    await pause(replica, random);
  }
}

async function stroke(options: ArtistOptions, gesture: number): Promise<void> {
  const { replica, random, name } = options;
  const id = `${name}-stroke-${gesture}`;
  replica.transact((change) =>
    change.create(id, {
      type: "freedraw",
      x: random.between(0, 4000),
      y: random.between(0, 4000),
      points: [[0, 0]],
    }),
  );
  for (let part = 1; part < 6; part++) {
    await pause(replica, random);
    appendTo(options, id, part);
  }
}

async function scribbleOn(options: ArtistOptions): Promise<void> {
  const id = pickElement(options, "freedraw");
  if (id === undefined) return;
  for (let part = 0; part < 3; part++) {
    appendTo(options, id, part);
    await pause(options.replica, options.random);
  }
}

function appendTo({ replica, random }: ArtistOptions, id: string, part: number): void {
  const points = Array.from({ length: 4 }, (_, index) => [
    part * 4 + index + random.next(),
    random.between(-30, 30),
  ]);
  replica.transact((change) => {
    if (change.get(id) !== undefined) change.append(id, "points", points);
  });
}

async function restyle(options: ArtistOptions): Promise<void> {
  const { replica, random } = options;
  const id = pickElement(options);
  if (id === undefined) return;
  replica.transact((change) => {
    if (change.get(id) === undefined) return;
    if (random.next() < 0.5)
      change.style(id, { strokeColor: random.pick(["#1971c2", "#e03131", "#2f9e44"]) });
    else change.resize(id, { width: random.between(20, 400), height: random.between(20, 300) });
  });
}

async function erase(options: ArtistOptions): Promise<void> {
  const id = pickElement(options);
  if (id === undefined) return;
  options.replica.transact((change) => {
    if (change.get(id) !== undefined) change.delete(id);
  });
}
