/**
 * One socket of the generator: it checks that what it gets is contiguous, and keeps its submits in flight.
 * Joining: the welcome, what is left of a snapshot, operations up to the welcome's version. Live: each frame goes on.
 */
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Dialect, Since } from "./dialect.ts";
import type { LoadRoom, Tracked } from "./room.ts";

export interface ClientOptions {
  readonly dialect: Dialect;
  readonly url: string;
  readonly document: string;
  readonly token: string;
  readonly room: LoadRoom;
  /** Its number among all clients. */
  readonly index: number;
  /** It was here before, and has this. */
  readonly since?: Since | undefined;
  /** Called for each operation that arrives; `last`: everybody has it now. */
  delivered(client: LoadClient, one: Tracked, last: boolean): void;
  /** Called once a frame was handled, with how many of the client's own operations it acknowledged. */
  handled(client: LoadClient, acknowledged: number): void;
  violated(message: string): void;
}

interface Joining {
  /** The welcome's; undefined before it came. */
  version: number | undefined;
  /** Parts of a snapshot follow. */
  more: boolean;
  done(): void;
}

export class LoadClient {
  readonly index: number;
  /** The last version that it has. */
  version = 0;
  /** Whether it joined by a snapshot. */
  fromSnapshot = false;
  /** Of the payloads that led to the welcome's version. */
  joinBytes = 0;
  readonly #options: ClientOptions;
  readonly #ws: WebSocket;
  #joining: Joining | undefined;
  #seq = 0;
  #closing = false;

  private constructor(options: ClientOptions, ws: WebSocket) {
    this.#options = options;
    this.index = options.index;
    this.#ws = ws;
  }

  /** Connects and waits until it is live; rejects when the connection ends before. */
  static async open(options: ClientOptions): Promise<LoadClient> {
    const { dialect, since } = options;
    const ws = new WebSocket(`${options.url}${dialect.path(options.document)}`, [...dialect.protocols], {
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    const client = new LoadClient(options, ws);
    await new Promise<void>((resolve, reject) => {
      client.#joining = { version: undefined, more: false, done: resolve };
      ws.on("open", () => {
        const hello = dialect.hello(`bench-${options.index}`, options.token, since);
        if (hello !== undefined) ws.send(hello);
      });
      ws.on("message", (data: Buffer) => {
        try {
          client.#receive(data);
        } catch (error) {
          reject(error);
        }
      });
      ws.on("error", (error) => {
        if (client.#joining !== undefined) reject(error);
        else if (!client.#closing) options.violated(`client ${options.index}: ${error.message}`);
      });
      ws.on("close", (code) => {
        if (client.#joining !== undefined) reject(new Error(`closed with ${code} before it was live`));
        else if (!client.#closing) options.violated(`client ${options.index}: closed with ${code}`);
      });
    });
    return client;
  }

  submit(id: string, operation: string): void {
    const { dialect, room } = this.#options;
    this.#seq += 1;
    room.submitted(id, this.index, performance.now());
    this.#ws.send(dialect.submit(this.#seq, this.version, operation));
  }

  close(): void {
    this.#closing = true;
    this.#ws.close(1000);
  }

  /** The connection is gone, without a word. */
  cut(): void {
    this.#closing = true;
    this.#ws.terminate();
  }

  #receive(bytes: Buffer): void {
    if (this.#joining === undefined) this.#follow(bytes);
    else this.#join(bytes, this.#joining);
  }

  #join(bytes: Buffer, joining: Joining): void {
    const { dialect, since, violated } = this.#options;
    if (joining.version === undefined) {
      const welcomed = dialect.welcome(bytes.toString(), since);
      joining.version = welcomed.version;
      joining.more = welcomed.more;
      this.version = welcomed.reached;
      this.fromSnapshot = welcomed.fromSnapshot;
    } else {
      const part = joining.more ? dialect.snapshotPart(bytes) : undefined;
      if (part !== undefined) joining.more = part === "more";
      else {
        const batch = dialect.read(bytes.toString());
        if (batch === undefined) return;
        if (typeof batch === "string") throw new Error(batch);
        if (batch.first !== this.version + 1)
          violated(`client ${this.index}: joining, got version ${batch.first} after ${this.version}`);
        this.version = batch.first + batch.ids.length - 1;
      }
    }
    this.joinBytes += bytes.length;
    if (joining.more || this.version < joining.version) return;
    if (this.version > joining.version)
      violated(`client ${this.index}: joined ${joining.version}, but was brought to ${this.version}`);
    this.#joining = undefined;
    joining.done();
  }

  #follow(bytes: Buffer): void {
    const { room, dialect, violated, delivered, handled } = this.#options;
    let frame = room.known(this.version + 1, bytes);
    if (frame === undefined) {
      const batch = dialect.read(bytes.toString());
      if (batch === undefined) return;
      if (typeof batch === "string") {
        violated(`client ${this.index}: ${batch}`);
        return;
      }
      if (batch.ids.length === 0) return;
      if (batch.first !== this.version + 1) {
        violated(`client ${this.index}: got version ${batch.first} after ${this.version}`);
        return;
      }
      const placed = room.place(batch, bytes);
      if (typeof placed === "string") {
        violated(`client ${this.index}: ${placed}`);
        return;
      }
      frame = placed;
    }
    let own = 0;
    for (const one of frame.tracked) {
      one.remaining -= 1;
      if (one.author === this.index) own += 1;
      delivered(this, one, one.remaining === 0);
      if (one.remaining === 0) room.complete(frame, one);
    }
    this.version = frame.first + frame.tracked.length - 1;
    if (own === 0) return;
    // What is submitted in answer leaves in one write, as from one turn of a client's event loop.
    const socket = (this.#ws as WebSocket & { _socket: Socket })._socket;
    socket.cork();
    handled(this, own);
    socket.uncork();
  }
}
