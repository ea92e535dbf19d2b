/**
 * Rooms that are opened from snapshots of every kind, on random schedules: whole ones and changes, of two rooms that
 * follow one log and do not wait for each other, thinned out, lost, of a log that is cut, must be what a replay of the
 * log is, with the write memory that conflicts are judged and blame is read by.
 */
import { setImmediate as turn } from "node:timers/promises";
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLog } from "../../server/observability/log.ts";
import { encodeState } from "../../server/room/encoded-state.ts";
import { replay, restoreState } from "../../server/room/restore.ts";
import { SnapshotWriter } from "../../server/room/snapshots.ts";
import { stateAt } from "../../server/room/state-at.ts";
import { createMemoryStore } from "../../server/store/memory/store.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { CommitOperation, Store } from "../../server/store/store.ts";
import { verifyDocument } from "../../server/store/verify.ts";
import { forgetBefore, freezeMemory } from "../../shared/document/document-memory.ts";
import { decodeMemory, encodeMemory } from "../../shared/document/memory.ts";
import { createState, type DocumentState } from "../../shared/document/state.ts";
import { fingerprint } from "../document/fingerprint.ts";
import { Random } from "../document/random.ts";
import { batchAt, newDocument, operation, origin } from "../store/fixtures.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const log = createLog({ level: "silent" });
const config = {
  snapshots: { everyOperations: 10, idleMs: 0 },
  retention: { snapshotsPerDocument: 6 },
};
const authors = [origin("ann"), origin("ann", "phone"), origin("bob")];
const elements = Array.from({ length: 40 }, (_, index) => `e${index}`);
/** Large enough together for changes to be written. */
const text = "long ".repeat(400);
/** Two of these are too much for one part. */
const huge = "huge ".repeat(40_000);
const counts = { whole: 0, changes: 0, removed: 0, thinned: 0, forgot: 0, baseless: 0, earlier: 0 };

/** One open document. */
interface Opened {
  readonly state: DocumentState;
  readonly writer: SnapshotWriter;
}

class Schedule {
  readonly docId = uuidv7();
  readonly #random: Random;
  readonly #store: Store;
  /** What the whole log gives, never written or read. */
  readonly reference = createState();
  #rooms: Opened[] = [];
  /** Who is written to in this stretch. */
  #window = elements;
  /** By element, what a writer would see. */
  readonly #present = new Set<string>();

  constructor(seed: number, store: Store) {
    this.#random = new Random(seed);
    this.#store = store;
  }

  async run(steps: number): Promise<void> {
    await this.#store.documents.create(newDocument({ id: this.docId }));
    await this.#commit(elements.map((element) => this.#create(element)));
    this.#rooms = [await this.#open(), await this.#open()];
    for (let step = 0; step < steps; step++) await this.#step();
    for (const room of this.#rooms) await room.writer.close();
    await this.#open();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    if (random.chance(0.1)) {
      const from = random.below(elements.length - 4);
      this.#window = random.chance(0.3) ? elements : elements.slice(from, from + 4);
    }
    await this.#commit(Array.from({ length: 1 + random.below(8) }, () => this.#operation()));
    for (const at of this.#rooms.keys()) {
      if (random.chance(0.3)) continue;
      await this.#follow(this.#rooms[at]!);
      if (random.chance(0.05)) this.#rooms[at] = await this.#reopen(this.#rooms[at]!);
    }
    for (let turns = random.below(4); turns > 0; turns--) await turn();
    if (random.chance(0.03)) await this.#earlier();
    if (random.chance(0.02)) await this.#loseBase();
    if (random.chance(0.02)) this.#forget();
    if (random.chance(0.03)) {
      const version = 1 + random.below(this.reference.version);
      await this.#store.versions.create(this.docId, { name: uuidv7(), version, createdBy: "ann" });
    }
  }

  #create(element: string): CommitOperation {
    this.#present.add(element);
    const props = { text, n: 0 };
    return operation(this.#random.pick(authors), element, {
      type: "create",
      data: JSON.stringify({ props }),
    });
  }

  #operation(): CommitOperation {
    const random = this.#random;
    const element = random.pick(this.#window);
    if (!this.#present.has(element)) return this.#create(element);
    const by = random.pick(authors);
    const effect = (data: object) => operation(by, element, { data: JSON.stringify(data) });
    switch (random.below(12)) {
      case 0:
        this.#present.delete(element);
        counts.removed += 1;
        return operation(by, element, { type: "delete", data: "{}" });
      case 1:
        return effect({
          splice: { text: [[random.below(9), random.below(3), random.pick(["", "a", "bä"])]] },
        });
      case 2:
        return effect({ append: { list: [random.below(9)] } });
      case 3:
        return effect({ unset: [random.pick(["n", "m"])] });
      case 4:
        return random.chance(0.15) ? effect({ set: { text: huge } }) : effect({ set: { text } });
      default:
        return effect({ set: { [random.pick(["n", "m"])]: random.below(99) } });
    }
  }

  async #commit(operations: readonly CommitOperation[]): Promise<void> {
    const [answer] = await this.#store.documents.heads([{ docId: this.docId }]);
    const [result] = await this.#store.commit([batchAt(answer!.head, operations)], { wait: true });
    expect(result?.outcome).toBe("committed");
    await this.#readOn(this.reference);
  }

  async #readOn(state: DocumentState): Promise<void> {
    const to = this.reference === state ? Number.MAX_SAFE_INTEGER : this.reference.version;
    await replay(state, await this.#store.operations.byVersion(this.docId, state.version + 1, to));
  }

  async #follow({ state, writer }: Opened): Promise<void> {
    await this.#readOn(state);
    // As rooms hear of a cut: with the head.
    forgetBefore(state.memory, this.reference.memory.since + 1);
    if (this.#random.chance(0.1)) expectSame(state, this.reference);
    writer.advanced();
  }

  /** As a room is, and compared with what it has to be. */
  async #open(): Promise<Opened> {
    const loaded = await this.#store.documents.load(this.docId);
    const { snapshot, tail } = loaded!;
    if (snapshot !== undefined) counts[snapshot.changes === undefined ? "whole" : "changes"] += 1;
    const state = await restoreState(snapshot);
    await replay(state, tail);
    expectSame(state, this.reference);
    const { docId } = this;
    const source = { docId, state, encoded: () => encodeState(state, 0) };
    const writer = new SnapshotWriter({ source, store: this.#store, log, config });
    writer.opened(snapshot);
    return { state, writer };
  }

  async #reopen({ writer }: Opened): Promise<Opened> {
    // Otherwise it died, perhaps while it wrote.
    if (this.#random.chance(0.3)) await writer.close();
    return this.#open();
  }

  /** The past, from whatever is kept. */
  async #earlier(): Promise<void> {
    const version = this.#random.below(this.reference.version) + 1;
    const found = await stateAt(this.#store, this.docId, version);
    const replayed = createState();
    await replay(replayed, await this.#store.operations.byVersion(this.docId, 1, version));
    expectSame(found!, replayed);
    counts.earlier += 1;
  }

  /** As thinning by others may, or a crash of the database. */
  async #loseBase(): Promise<void> {
    const list = await this.#store.snapshots.list(this.docId);
    expect(list.length).toBeLessThanOrEqual(30);
    if (list.length > 3) counts.thinned += 1;
    const base = list.at(-1)?.base;
    // Without any, the content that a closing room wrote would be next, which has no memory.
    if (base == null || list[0]!.version === base) return;
    const lost = list.map(({ version }) => version).filter((version) => version >= base);
    await this.#store.snapshots.remove(this.docId, lost);
    counts.baseless += 1;
  }

  #forget(): void {
    forgetBefore(this.reference.memory, Math.max(1, this.reference.version - this.#random.below(40)));
    counts.forgot += 1;
  }
}

/**
 * Elements and write memory, without what was forgotten in one of them, whenever it was: nobody asks for it. Tells the
 * place of the first difference only, since a fingerprint is long.
 */
function expectSame(state: DocumentState, expected: DocumentState): void {
  const since = Math.max(state.memory.since, expected.memory.since);
  const [one, other] = [state, expected].map((each) => {
    const memory = decodeMemory(encodeMemory(freezeMemory(each.memory)));
    memory.since = -1;
    forgetBefore(memory, since + 1);
    return fingerprint({ ...each, memory });
  }) as [string, string];
  if (one === other) return;
  let at = 0;
  while (one[at] === other[at]) at += 1;
  const around = (text: string) => text.slice(Math.max(0, at - 300), at + 100);
  expect(around(one)).toBe(around(other));
}

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const first = Number(process.env.SEED ?? 1);
const runs = Number(process.env.RUNS ?? 8);

describe("rooms opened from snapshots", () => {
  it.each(["memory", "postgres"])(
    `[R5] are the replay of the log (%s, seeds ${first}…)`,
    async (kind) => {
      const store =
        kind === "memory"
          ? createMemoryStore({ nowMs: Date.now, newId: uuidv7 })
          : createPostgresStore({ pool: database.pool });
      for (let seed = first; seed < first + runs; seed++) {
        const schedule = new Schedule(seed, store);
        try {
          await schedule.run(120);
          if (kind === "postgres") expect(await verifyDocument(database.pool, schedule.docId)).toEqual([]);
        } catch (cause) {
          throw new Error(`seed ${seed}`, { cause });
        }
      }
      for (const [what, count] of Object.entries(counts)) expect(count, what).toBeGreaterThan(runs / 2);
    },
    120_000,
  );
});

describe.each(["memory", "postgres"])("a room that lives in a lost history, over the %s store", (kind) => {
  // A small one is one statement, a large one is written in parts.
  it.each([1, 3])("[R5] leaves nothing of it in the database (%i parts)", async (partCount) => {
    const store =
      kind === "memory"
        ? createMemoryStore({ nowMs: Date.now, newId: uuidv7 })
        : createPostgresStore({ pool: database.pool });
    const docId = uuidv7();
    const created = await store.documents.create(newDocument({ id: docId }));
    if (created.outcome !== "created") throw new Error("not created");
    const kept = operation(origin("ann"), "kept", { type: "create", data: '{"props":{"x":1}}' });
    await store.commit([batchAt(created.document, [kept])], { wait: true });
    const lost = Array.from({ length: partCount }, (_, at) => [`lost${at}`, { x: huge.repeat(2) }] as const);
    const closeRoom = async (elements: Map<string, { x: number | string }>, operationId: string) => {
      const state = createState({ elements, version: 1, operationId });
      const source = { docId, state, encoded: () => encodeState(state, 0) };
      await new SnapshotWriter({ source, store, log, config: config as never }).close();
    };
    const shown = async () => {
      const { snapshot, tail = [] } = (await store.documents.load(docId)) ?? {};
      const state = await restoreState(snapshot);
      await replay(state, tail);
      return Object.fromEntries(state.elements);
    };
    await closeRoom(new Map(lost), uuidv7());
    expect(await store.documents.readContent(docId)).toBeUndefined();
    expect(await shown()).toEqual({ kept: { x: 1 } });
    // Also where there is a snapshot of this version already.
    await store.snapshots.write(docId, {
      version: 1,
      operationId: kept.id,
      elements: ['"kept":{"x":1}'],
      memory: [],
    });
    await closeRoom(new Map(lost), uuidv7());
    expect(await store.documents.readContent(docId)).toBeUndefined();
    expect(await shown()).toEqual({ kept: { x: 1 } });
    // A room of this history leaves its own.
    await closeRoom(new Map([["kept", { x: 1 }]]), kept.id);
    const content = await store.documents.readContent(docId);
    expect(Buffer.from(content?.content ?? []).toString()).toBe('{"kept":{"x":1}}');
  });
});
