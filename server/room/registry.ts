/**
 * The open documents of this instance. A document is loaded once, whoever asks meanwhile waits for the same read;
 * it is closed when nobody has used it for a while.
 */
import { setTimeout as delay } from "node:timers/promises";
import { isUuid } from "../../shared/document/identifier.ts";
import type { Envelope } from "../fanout/news.ts";
import { StoreUnavailable } from "../store/store.ts";
import { replay, restoreState } from "./restore.ts";
import { Room } from "./room.ts";
import type { RoomServices } from "./services.ts";

/** Each writes its last state: a thousand at once would be refused a connection. */
const closingAtOnce = 8;
/** How long a document that is wanted again waits for its last state to be written. */
const closingMs = 2_000;
/** A room may end (its history is another's) between opening and using it: the next one is right. */
const maxAttempts = 3;

export class RoomRegistry {
  readonly #services: RoomServices;
  readonly #rooms = new Map<string, Room>();
  readonly #opening = new Map<string, Promise<Room | undefined>>();
  readonly #closing = new Map<string, Promise<void>>();
  #sweeping: Promise<void> | undefined;

  constructor(services: RoomServices) {
    this.#services = services;
  }

  /** Undefined: no such document. Rejects with `StoreUnavailable`. */
  open(docId: string): Promise<Room | undefined> {
    const room = this.#rooms.get(docId);
    room?.used();
    if (room !== undefined || !isUuid(docId)) return Promise.resolve(room);
    let opening = this.#opening.get(docId);
    if (opening === undefined) {
      opening = this.#load(docId).finally(() => this.#opening.delete(docId));
      this.#opening.set(docId, opening);
    }
    return opening;
  }

  /**
   * The room, at least where the database stands now. Undefined: no such document. Rejects with `StoreUnavailable`, also
   * where it has to be read anew again and again.
   */
  async current(docId: string): Promise<Room | undefined> {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const room = await this.open(docId);
      if (room === undefined || (await room.current())) return room;
    }
    throw new StoreUnavailable("the document's history changes while it is read");
  }

  get(docId: string): Room | undefined {
    return this.#rooms.get(docId);
  }

  get rooms(): MapIterator<Room> {
    return this.#rooms.values();
  }

  hear({ news }: Envelope): void {
    for (const one of news) {
      const room = this.#rooms.get(one.docId);
      if (room === undefined) continue;
      if (one.kind === "operations") room.hearOperations(one);
      else if (one.kind === "presence") room.hearPresence(one);
      else void this.#lookAt(room);
    }
  }

  /** Closes what nobody has used for the configured time. */
  sweep(): void {
    const { idleMs } = this.#services.config.snapshots;
    const isUnused = (room: Room) => room.unusedMs() > idleMs;
    this.#sweeping ??= this.#closeAll(isUnused).finally(() => {
      this.#sweeping = undefined;
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#opening.values());
    await this.#closeAll(() => true);
    await Promise.allSettled(this.#closing.values());
  }

  async #load(docId: string): Promise<Room | undefined> {
    // Its last state is being written: loading now would read the log that this write saves. No more depends on it.
    const closing = this.#closing.get(docId);
    if (closing !== undefined) await Promise.race([closing, delay(closingMs, undefined, { ref: false })]);
    const { store, instanceId } = this.#services;
    const [loaded, live] = await Promise.all([
      store.documents.load(docId),
      store.sessions.live([docId], instanceId),
    ]);
    if (loaded === undefined) return undefined;
    const state = await restoreState(loaded.snapshot);
    await replay(state, loaded.tail);
    const room = new Room(loaded, state, this.#services, (ended) => this.#forget(ended));
    room.reconcileSessions(live);
    this.#rooms.set(docId, room);
    this.#services.metrics.rooms.set(this.#rooms.size);
    return room;
  }

  #forget(room: Room): void {
    if (this.#rooms.get(room.docId) === room) this.#rooms.delete(room.docId);
    this.#services.metrics.rooms.set(this.#rooms.size);
  }

  /** Closes those that are to be, judged when it is their turn: somebody may have come meanwhile. */
  async #closeAll(isToBe: (room: Room) => boolean): Promise<void> {
    const rooms = [...this.#rooms.values()];
    const closeNext = async (): Promise<void> => {
      for (let room = rooms.pop(); room !== undefined; room = rooms.pop()) {
        if (this.#rooms.get(room.docId) === room && isToBe(room)) await this.#close(room);
      }
    };
    await Promise.allSettled(Array.from({ length: closingAtOnce }, closeNext));
  }

  #close(room: Room): Promise<void> {
    this.#forget(room);
    const closing = room.close().finally(() => {
      if (this.#closing.get(room.docId) === closing) this.#closing.delete(room.docId);
    });
    this.#closing.set(room.docId, closing);
    return closing;
  }

  async #lookAt(room: Room): Promise<void> {
    try {
      await room.current();
    } catch {
      // The database is away; anti-entropy comes back to it.
    }
  }
}
