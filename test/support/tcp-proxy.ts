/** A TCP proxy that fails on demand: the network between an instance and PostgreSQL. */
import { connect, createServer, type Server, type Socket } from "node:net";

export type Direction = "both" | "to-server" | "to-client";

export interface TcpProxy {
  /** The same address, through the proxy. */
  through(url: string): string;
  /** Nothing passes any more, not even the end of a connection; new ones are accepted and carry nothing. */
  freeze(direction: Direction): void;
  /** What was held passes. */
  thaw(): void;
  /** Each chunk passes this much later, each way. */
  delay(ms: number): void;
  /** Connections are closed and new ones refused, until `restore`. */
  cut(): Promise<void>;
  restore(): Promise<void>;
  /** The present connections carry nothing ever again, and nobody is told: a firewall forgot them. New ones work. */
  abandon(): void;
  close(): Promise<void>;
}

/** One direction of one connection. What waits is what was read before it froze: then the source is not read. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #queue: { readonly dueMs: number; readonly chunk: Buffer | undefined }[] = [];
  #frozen = false;
  #timer: NodeJS.Timeout | undefined;
  delayMs = 0;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on("error", () => undefined);
    from.on("data", (chunk: Buffer) => this.#add(chunk));
    from.on("close", () => this.#add(undefined));
  }

  set frozen(frozen: boolean) {
    this.#frozen = frozen;
    if (frozen) this.#from.pause();
    else {
      this.#from.resume();
      this.#pump();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
    this.#from.destroy();
    this.#to.destroy();
  }

  #add(chunk: Buffer | undefined): void {
    this.#queue.push({ dueMs: performance.now() + this.delayMs, chunk });
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    while (!this.#frozen) {
      const [first] = this.#queue;
      if (first === undefined) return;
      const leftMs = first.dueMs - performance.now();
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), leftMs);
        return;
      }
      this.#queue.shift();
      if (first.chunk === undefined) this.#to.destroy();
      else if (this.#to.writable) this.#to.write(first.chunk);
    }
  }
}

interface Connection {
  readonly toServer: Pipe;
  readonly toClient: Pipe;
  abandoned: boolean;
}

/** Listens on a free port and passes everything on to the server of `url`. */
export async function startTcpProxy(url: string): Promise<TcpProxy> {
  const target = new URL(url);
  const connections = new Set<Connection>();
  let frozen: Direction | undefined;
  let delayMs = 0;
  let port = 0;
  let server: Server | undefined;

  function apply(connection: Connection): void {
    const { toServer, toClient, abandoned } = connection;
    toServer.delayMs = delayMs;
    toClient.delayMs = delayMs;
    toServer.frozen = abandoned || frozen === "both" || frozen === "to-server";
    toClient.frozen = abandoned || frozen === "both" || frozen === "to-client";
  }

  function accept(client: Socket): void {
    const upstream = connect({ host: target.hostname, port: Number(target.port) });
    for (const socket of [client, upstream]) socket.setNoDelay(true);
    const connection: Connection = {
      toServer: new Pipe(client, upstream),
      toClient: new Pipe(upstream, client),
      abandoned: false,
    };
    connections.add(connection);
    let open = 2;
    for (const socket of [client, upstream]) {
      socket.on("close", () => {
        open -= 1;
        if (open === 0) connections.delete(connection);
      });
    }
    apply(connection);
  }

  const listen = () =>
    new Promise<void>((resolve, reject) => {
      if (server !== undefined) return resolve();
      server = createServer(accept);
      server.once("error", reject);
      server.listen({ host: "127.0.0.1", port }, () => {
        const address = server?.address();
        if (typeof address === "object" && address !== null) port = address.port;
        resolve();
      });
    });

  const cut = async () => {
    const closed = new Promise<void>((resolve) => {
      if (server === undefined) resolve();
      else server.close(() => resolve());
    });
    for (const { toServer, toClient } of connections) {
      toServer.stop();
      toClient.stop();
    }
    await closed;
    server = undefined;
  };

  const applyToAll = () => {
    for (const connection of connections) apply(connection);
  };

  await listen();
  return {
    through(address) {
      const changed = new URL(address);
      changed.hostname = "127.0.0.1";
      changed.port = String(port);
      return changed.href;
    },
    freeze(direction) {
      frozen = direction;
      applyToAll();
    },
    thaw() {
      frozen = undefined;
      applyToAll();
    },
    delay(ms) {
      delayMs = ms;
      applyToAll();
    },
    cut,
    restore: listen,
    abandon() {
      for (const connection of connections) connection.abandoned = true;
      applyToAll();
    },
    close: cut,
  };
}
