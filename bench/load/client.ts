/** One socket of the generator: it checks that what it gets is contiguous, and keeps its submits in flight. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Dialect } from "./dialect.ts";
import type { LoadRoom, Tracked } from "./room.ts";

export interface ClientOptions {
  readonly dialect: Dialect;
  readonly url: string;
  readonly document: string;
  readonly token: string;
  readonly room: LoadRoom;
  /** Its number among all clients. */
  readonly index: number;
  /** Called for each operation that arrives; `last`: everybody has it now. */
  delivered(client: LoadClient, one: Tracked, last: boolean): void;
  /** Called once a frame was handled, with how many of the client's own operations it acknowledged. */
  handled(client: LoadClient, acknowledged: number): void;
  violated(message: string): void;
}

export class LoadClient {
  readonly index: number;
  version = 0;
  readonly #options: ClientOptions;
  readonly #ws: WebSocket;
  #seq = 0;
  #closing = false;

  private constructor(options: ClientOptions, ws: WebSocket) {
    this.#options = options;
    this.index = options.index;
    this.#ws = ws;
    ws.on("message", (data: Buffer) => this.#receive(data));
    ws.on("close", (code) => {
      if (!this.#closing) options.violated(`client ${options.index}: closed with ${code}`);
    });
  }

  /** Connects and waits for the welcome. */
  static async open(options: ClientOptions): Promise<LoadClient> {
    const { dialect } = options;
    const ws = new WebSocket(`${options.url}${dialect.path(options.document)}`, [...dialect.protocols], {
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    ws.on("error", (error) => options.violated(`client ${options.index}: ${error.message}`));
    // The relays speak first: their welcome may come together with the handshake's answer.
    const welcome = once(ws, "message");
    await once(ws, "open");
    const hello = dialect.hello(`bench-${options.index}`, options.token);
    if (hello !== undefined) ws.send(hello);
    const client = new LoadClient(options, ws);
    const [first] = (await welcome) as [Buffer];
    client.version = dialect.welcome(first.toString());
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

  #receive(bytes: Buffer): void {
    const { room, dialect, violated, delivered, handled } = this.#options;
    let frame = room.known(this.version + 1, bytes);
    if (frame === undefined) {
      const text = bytes.toString();
      if (this.version === 0 && (text.startsWith('{"welcome"') || text.startsWith('{"type":"welcome"')))
        return;
      const batch = dialect.read(text);
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
