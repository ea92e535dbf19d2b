/**
 * The end of an event-loop turn, in the order that keeps the database busy:
 *
 *   poll      frames are read into queues; an answer of the database moves the states it is about
 *   propose   each room decides what it has; in the ticks that follow, one call leaves with all of it
 *   tell      while the database works on that: news are encoded and written, a system call for each socket
 *
 * With the telling before the proposing, a hot document waited for its own broadcast: server and database took turns.
 * Both steps belong to one turn because both immediates are queued before its check phase begins, and Node.js drains
 * ticks and microtasks between two of them.
 */

/** Holds back what is written to it until the turn ends. */
export interface Written {
  flush(): void;
}

export class Turn {
  #proposing: (() => void)[] = [];
  #telling: (() => void)[] = [];
  #written: Written[] = [];
  #scheduled = false;

  /** Calls back when everything of this turn has been read. */
  propose(callback: () => void): void {
    this.#proposing.push(callback);
    this.#schedule();
  }

  /** Calls back when what was proposed in this turn has left. */
  tell(callback: () => void): void {
    this.#telling.push(callback);
    this.#schedule();
  }

  /** Flushes when everything of this turn has been told. */
  written(socket: Written): void {
    this.#written.push(socket);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#propose());
    setImmediate(() => this.#tell());
  }

  #propose(): void {
    const proposing = this.#proposing;
    this.#proposing = [];
    for (const callback of proposing) callback();
  }

  #tell(): void {
    const telling = this.#telling;
    this.#telling = [];
    for (const callback of telling) callback();
    const written = this.#written;
    this.#written = [];
    for (const socket of written) socket.flush();
    this.#scheduled = false;
    if (this.#proposing.length + this.#telling.length + this.#written.length > 0) this.#schedule();
  }
}
