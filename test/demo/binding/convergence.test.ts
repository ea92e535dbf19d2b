import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Binding,
  bindExcalidraw,
  type InitialScene,
  initialScene,
  toWire,
} from "../../../client-demo/binding/index.ts";
import { ModelServer } from "../../client/model-server.ts";
import { World } from "../../client/world.ts";
import { type SeededRandom, seededRandom } from "../../support/seeded-random.ts";
import { FakeEditor, type Shape } from "./fake-editor.ts";

const runs = Number(process.env.RUNS) || 60;

/** A page: an editor, bound to a replica; frames when told. It opens in three moments, between which others go on. */
class Page {
  readonly refused: unknown[] = [];
  /** The editor has told of its first change: the person can begin. */
  ready = false;
  editor: FakeEditor;
  readonly #document: World["peers"][number]["document"];
  readonly #random: SeededRandom;
  #initial: InitialScene;
  #binding: Binding | undefined;
  #frame: (() => void) | undefined;

  constructor({ document }: World["peers"][number], random: SeededRandom) {
    this.#document = document;
    this.#random = random;
    this.#initial = initialScene(document);
    this.editor = this.#newEditor();
  }

  #newEditor(): FakeEditor {
    return new FakeEditor(this.#initial.elements, () => this.#random.between(1, 2 ** 30));
  }

  bind(): void {
    this.#binding ??= bindExcalidraw(this.editor, this.#initial, {
      mutateElement: this.editor.mutateElement,
      textField: this.editor.textField,
      random: () => this.#random.next(),
      now: () => 0,
      nextFrame: (callback) => {
        this.#frame = callback;
        return () => {
          this.#frame = undefined;
        };
      },
      onRefused: (error) => this.refused.push(error),
    });
  }

  tell(): void {
    this.editor.tell();
    this.ready = this.#binding !== undefined;
  }

  /** Begins anew with what the replica has by now. */
  reload(): void {
    this.editor.endGesture();
    this.#binding?.flush();
    this.#binding?.close();
    this.#binding = undefined;
    this.ready = false;
    this.#initial = initialScene(this.#document);
    this.editor = this.#newEditor();
  }

  renderFrame(): void {
    const frame = this.#frame;
    this.#frame = undefined;
    frame?.();
  }

  /** What it shows, as it would be sent. */
  get scene(): Record<string, unknown> {
    return Object.fromEntries(this.editor.living.map((element) => [element.id, toWire(element)]));
  }
}

/** What people did, for the test that nothing of it is lost. */
interface Deeds {
  next: number;
  readonly points: Map<string, number[]>;
  readonly characters: Map<string, string[]>;
}

const firstCharacter = 0x4e00;

const gestures: ((page: Page, deeds: Deeds, random: SeededRandom) => void)[] = [
  ({ editor }, deeds, random) => {
    const id = `shape-${deeds.next++}`;
    editor.add({ id, type: "rectangle", x: random.between(0, 99) });
  },
  ({ editor }, deeds) => {
    if (editor.busy) return;
    const id = `stroke-${deeds.next++}`;
    deeds.points.set(id, []);
    editor.beginStroke(id);
  },
  ({ editor }, deeds) => {
    const id = editor.getAppState().newElement?.id;
    if (id === undefined) return;
    const mark = deeds.next++;
    deeds.points.get(id)?.push(mark);
    editor.drawPoint([mark, 0.123_456]);
  },
  ({ editor }, deeds) => {
    const id = `text-${deeds.next++}`;
    deeds.characters.set(id, []);
    editor.add({ id, type: "text", text: "|", originalText: "|", containerId: null });
  },
  ({ editor }, _deeds, random) => {
    const texts = editor.living.filter(({ type }) => type === "text");
    if (!editor.busy && texts.length > 0) editor.beginTyping(random.pick(texts));
  },
  ({ editor }, deeds, random) => {
    const id = editor.getAppState().editingTextElement?.id;
    const { typed } = editor;
    // What was deleted meanwhile takes what is typed with it.
    if (id === undefined || typed === undefined || !editor.living.some((shape) => shape.id === id)) return;
    const character = String.fromCharCode(firstCharacter + deeds.next++);
    deeds.characters.get(id)?.push(character);
    const at = random.between(0, typed.length);
    editor.type(typed.slice(0, at) + character + typed.slice(at));
  },
  (page, _deeds, random) => {
    const shape = pickLiving(page, random);
    if (!page.editor.busy && shape !== undefined) page.editor.beginDrag(shape);
  },
  ({ editor }, _deeds, random) => editor.dragBy(random.between(0, 99), random.between(0, 99)),
  (page, _deeds, random) => {
    const shape = pickLiving(page, random);
    if (shape !== undefined) page.editor.change(shape, { strokeColor: `#${random.between(100, 999)}` });
  },
  (page, _deeds, random) => {
    const shape = pickLiving(page, random);
    if (shape !== undefined && !page.editor.busy) page.editor.toBack(shape);
  },
  (page, _deeds, random) => {
    const shape = pickLiving(page, random);
    if (shape !== undefined && !page.editor.busy) page.editor.remove(shape, random.next() < 0.5);
  },
  // Gestures are long: others have time to touch what is being drawn.
  ({ editor }, _deeds, random) => {
    if (random.next() < 0.25) editor.endGesture();
  },
];

function pickLiving({ editor }: Page, random: SeededRandom): Shape | undefined {
  return editor.living.length === 0 ? undefined : random.pick(editor.living);
}

async function play(seed: number, steps: readonly number[]): Promise<void> {
  const random = seededRandom(seed);
  const server = new ModelServer(random, "lww", { unavailable: 0.05, rateLimited: 0.05, snapshot: 0.4 });
  const world = new World(server, random);
  for (const user of ["ann", "ben"]) world.join(user);
  await world.drain();
  const pages = world.peers.map((peer) => new Page(peer, random));
  const deeds: Deeds = { next: 0, points: new Map(), characters: new Map() };
  for (const step of steps) {
    const page = random.pick(pages);
    if (page.ready) gestures[step % gestures.length]?.(page, deeds, random);
    else if (random.next() < 0.5) page.bind();
    if (random.next() < 0.03) random.pick(pages).reload();
    if (random.next() < 0.6) random.pick(pages).tell();
    if (random.next() < 0.4) random.pick(pages).renderFrame();
    for (let frame = 0; frame < 3; frame++) if (random.next() < 0.6) world.deliverOne();
    if (random.next() < 0.02) world.cutOne();
    if (random.next() < 0.7) await world.settle();
  }
  server.faults = { unavailable: 0, rateLimited: 0, snapshot: 0.4 };
  for (const page of pages) {
    page.editor.endGesture();
    page.bind();
  }
  const quiet = async (): Promise<void> => {
    for (const page of pages) page.tell();
    await world.drain();
    for (const page of pages) page.renderFrame();
  };
  for (let round = 0; round < 8; round++) await quiet();
  const version = server.version;
  const updates = pages.map(({ editor }) => editor.updates);
  for (let round = 0; round < 4; round++) await quiet();

  // No ping-pong: what is the same everywhere stays silent.
  expect(server.version).toBe(version);
  expect(pages.map(({ editor }) => editor.updates)).toEqual(updates);
  expect(pages.flatMap(({ refused }) => refused)).toEqual([]);
  const stored = Object.fromEntries(server.elements);
  for (const { scene } of pages) expect(scene).toEqual(expect.objectContaining(stored));
  for (const { scene } of pages) expect(Object.keys(scene).sort()).toEqual(Object.keys(stored).sort());
  for (const [id, marks] of deeds.points) {
    const points = server.elements.get(id)?.points;
    if (Array.isArray(points)) expect(points.slice(1)).toEqual(marks.map((mark) => [mark, 0.12]));
  }
  for (const [id, characters] of deeds.characters) {
    const text = server.elements.get(id)?.originalText;
    if (typeof text === "string") expect([...text].sort()).toEqual(["|", ...characters].sort());
  }
}

describe("the binding of two scenes through replicas and a server that fails at times", () => {
  it("[binding-1] both scenes and the server become the same; nothing drawn or typed is lost; then all is silent", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 30 }),
        fc.array(fc.nat({ max: gestures.length - 1 }), { minLength: 60, maxLength: 200, size: "max" }),
        play,
      ),
      { numRuns: runs, endOnFailure: process.env.SHRINK === undefined },
    );
  }, 120_000);
});
