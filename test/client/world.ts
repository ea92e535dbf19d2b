/** Replicas, a network that loses, delays and cuts, and a clock: all of it driven by one seed. */
import type {
  ClientSocket,
  DocumentReplica,
  OpenDocumentOptions,
  RejectEvent,
  Timers,
} from "../../client/index.ts";
import { openDocument } from "../../client/index.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { DyingHost } from "./dying-host.ts";
import type { ModelServer, ModelSession } from "./model-server.ts";

/** A clock that stands still until it is told otherwise. */
export class StillClock implements Timers {
  #now = 0;
  #order = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const key = this.#order++;
    this.#timers.set(key, { at: this.#now + delayMs, callback });
    return () => void this.#timers.delete(key);
  }

  get size(): number {
    return this.#timers.size;
  }

  /** Time passes while the page sleeps: what is due runs with the next `advance`, late. */
  sleep(ms: number): void {
    this.#now += ms;
  }

  /** Runs what is due within that time, in order. */
  advance(byMs: number): void {
    const until = this.#now + byMs;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].callback();
    }
    this.#now = until;
  }
}

/** One connection: frames wait in both directions until they are delivered. */
class Link implements ClientSocket {
  readyState = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly toServer: string[] = [];
  readonly toClient: string[] = [];
  readonly session: ModelSession;
  /** The client has left it; what is on its way may still arrive at the server. */
  left = false;

  constructor(id: string, user: string) {
    const { toClient } = this;
    this.session = {
      id,
      user,
      client: "",
      greeted: false,
      nextSeq: 1,
      send: (message) => void toClient.push(JSON.stringify(message)),
    };
  }

  send(text: string): void {
    this.toServer.push(text);
  }

  close(): void {
    this.readyState = 3;
    this.left = true;
    (this.onclose as (() => void) | null)?.();
  }

  terminate(): void {
    this.readyState = 3;
    this.left = true;
  }
}

export interface Peer {
  readonly document: DocumentReplica;
  readonly rejects: RejectEvent[];
  readonly errors: Error[];
  readonly host?: DyingHost;
}

export class World {
  readonly clock = new StillClock();
  readonly peers: Peer[] = [];
  readonly server: ModelServer;
  /** Nobody gets a connection. */
  unplugged = false;
  readonly #random: SeededRandom;
  #links: Link[] = [];
  #ids = 0;
  readonly #owned = new Map<object, readonly Link[]>();

  constructor(server: ModelServer, random: SeededRandom) {
    this.server = server;
    this.#random = random;
    server.locks.now = () => this.clock.now();
  }

  newId(): string {
    this.#ids += 1;
    return `00000000-0000-7000-8000-${this.#ids.toString(16).padStart(12, "0")}`;
  }

  /**
   * @param user whom the server takes it for; a function is asked at each connection.
   * @param options `host`: what the replica lives in. With a `storage` it has a client id of its own only when one is
   * given.
   */
  join(
    user: string | (() => string),
    { host, ...options }: Partial<OpenDocumentOptions> & { readonly host?: DyingHost } = {},
  ): Peer {
    const owner = {};
    const asked = typeof user === "string" ? () => user : user;
    const create = (): Link => {
      if (this.unplugged) throw new Error("unplugged");
      const link = new Link(`session-${this.newId()}`, asked());
      this.#links.push(link);
      const links = this.#owned.get(host ?? owner) ?? [];
      this.#owned.set(host ?? owner, [...links, link]);
      return link;
    };
    const document = openDocument({
      url: "http://model",
      documentId: "d",
      ...(options.storage === undefined ? { clientId: `client-${asked()}` } : {}),
      timers: host?.timers(this.clock) ?? this.clock,
      random: () => this.#random.next(),
      newId: () => this.newId(),
      createWebSocket: host?.sockets(create) ?? create,
      ...options,
    });
    const peer: Peer = { document, rejects: [], errors: [], ...(host === undefined ? {} : { host }) };
    document.on("reject", (event) => peer.rejects.push(event));
    document.on("error", (error) => {
      if (!this.unplugged) peer.errors.push(error);
    });
    this.peers.push(peer);
    return peer;
  }

  /** A replica whose host died: it is heard no more, what it sent may still arrive. */
  abandon(peer: Peer): void {
    this.peers.splice(this.peers.indexOf(peer), 1);
    for (const link of this.#owned.get(peer.host ?? peer) ?? []) {
      link.left = true;
      link.readyState = 3;
      if (this.#random.next() < 0.5) link.toServer.splice(this.#random.between(0, link.toServer.length));
    }
  }

  /** One frame, or one opening, on a link picked at random. */
  deliverOne(): boolean {
    const busy = this.#links.filter(
      ({ readyState, toServer, toClient, left }) =>
        (readyState === 0 && !left) || toServer.length > 0 || (toClient.length > 0 && !left),
    );
    if (busy.length === 0) return false;
    const link = this.#random.pick(busy);
    if (link.readyState === 0 && !link.left) {
      link.readyState = 1;
      this.server.open(link.session);
      (link.onopen as (() => void) | null)?.();
    } else if (
      link.toServer.length > 0 &&
      (link.left || link.toClient.length === 0 || this.#random.next() < 0.5)
    ) {
      const text = link.toServer.shift();
      if (text !== undefined) this.server.receive(link.session, text);
    } else {
      const data = link.toClient.shift();
      (link.onmessage as ((event: { data: unknown }) => void) | null)?.({ data });
    }
    this.#links = this.#links.filter((kept) => {
      const gone = kept.left && kept.toServer.length === 0;
      if (gone) this.server.close(kept.session);
      return !gone;
    });
    return true;
  }

  /** Cuts a connection: what is on its way to the client is lost, what is on its way to the server perhaps. */
  cutOne(code = 1006): void {
    const open = this.#links.filter(({ left }) => !left);
    if (open.length > 0) this.#cut(this.#random.pick(open), code);
  }

  /** Cuts what one replica has, with everything that is on its way. */
  cutPeer(peer: Peer): void {
    for (const link of this.#owned.get(peer.host ?? peer) ?? []) if (!link.left) this.#cut(link, 1006, true);
  }

  cutAll(): void {
    for (const link of this.#links.filter(({ left }) => !left)) this.#cut(link, 1006, true);
    this.#links = [];
  }

  #cut(link: Link, code: number, everything = false): void {
    link.readyState = 3;
    link.left = true;
    if (everything || this.#random.next() < 0.6)
      link.toServer.splice(this.#random.between(0, link.toServer.length));
    if (everything) link.toServer.length = 0;
    (link.onclose as ((event: { code: number; reason: string }) => void) | null)?.({ code, reason: "" });
  }

  /** Lets promises and microtasks run. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Delivers everything that is on its way, without any time passing. */
  async deliver(): Promise<void> {
    await this.settle();
    while (this.deliverOne()) await this.settle();
  }

  /** Lets time pass in steps, with everything delivered after each. */
  async pass(ms: number, stepMs = 500): Promise<void> {
    await this.deliver();
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs));
      await this.deliver();
    }
  }

  /** Lets time pass until it is so, 50 s at most. */
  async until(condition: () => boolean): Promise<void> {
    for (let round = 0; round < 500 && !condition(); round++) await this.pass(100, 100);
    if (!condition()) throw new Error(`it never came to this: ${condition}`);
  }

  /** Until every replica is live, settled and where the server is. */
  async drain(): Promise<void> {
    for (let round = 0; round < 3_000; round++) {
      await this.settle();
      while (this.deliverOne()) await this.settle();
      const done = this.peers.every(
        ({ document }) =>
          document.connection.state === "closed" ||
          (document.connection.state === "live" &&
            document.pendingCount === 0 &&
            document.version === this.server.version),
      );
      if (done) return;
      this.clock.advance(200);
    }
    const states = this.peers.map(({ document: { connection, pendingCount, version } }) => ({
      connection,
      pendingCount,
      version,
    }));
    throw new Error(`never settled at ${this.server.version}: ${JSON.stringify(states)}`);
  }
}
