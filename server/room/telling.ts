/**
 * What the state has moved by and the members have not been sent yet. It is told at the end of the turn, and before
 * anything else that speaks of a version: one frame for all of it, others' operations and our own, since each further
 * frame costs every member's socket.
 */
import type { SequencedOperation } from "../../shared/document/operation.ts";
import { Tail } from "./tail.ts";
import type { Turn } from "./turn.ts";
import { opsFrames } from "./wire.ts";

/** Operations that the state has moved by. */
export interface Untold {
  /** On the wire; made when they are told, after the next call has left. */
  readonly texts: () => readonly string[];
  readonly told?: (texts: readonly string[]) => void;
}

export interface TellingOptions {
  readonly turn: Turn;
  /** Of one frame; 0: no limit. */
  readonly maxBytes: number;
  /** The state's. */
  readonly version: () => number;
  /** Sends a frame to every member. */
  readonly deliver: (frame: Buffer) => void;
  /** After each telling. */
  readonly onTold: () => void;
}

export class Telling {
  readonly #options: TellingOptions;
  /** Up to what is told. */
  readonly #tail = new Tail();
  /** The last of it is at the state's version. */
  #untold: Untold[] = [];

  constructor(options: TellingOptions) {
    this.#options = options;
  }

  /** The newest operations as they were sent, up to the state's version. */
  get tail(): Tail {
    this.now();
    return this.#tail;
  }

  /** What the state was loaded with: nobody is here to be told. */
  begin(from: number, texts: readonly string[]): void {
    this.#frames(from, texts);
  }

  later(untold: Untold): void {
    if (this.#untold.push(untold) === 1) this.#options.turn.tell(() => this.now());
  }

  now(): void {
    const untold = this.#untold;
    if (untold.length === 0) return;
    this.#untold = [];
    const { version, deliver, onTold } = this.#options;
    const parts = untold.map((each) => each.texts());
    const texts = parts.length === 1 ? (parts[0] ?? []) : parts.flat();
    for (const frame of this.#frames(version() + 1 - texts.length, texts)) deliver(frame);
    untold.forEach(({ told }, index) => {
      told?.(parts[index] ?? []);
    });
    onTold();
  }

  /** The operations after a version; undefined where they are not at hand any more. */
  after(version: number): SequencedOperation[] | undefined {
    return this.tail
      .after(version, this.#options.version())
      ?.map((text) => JSON.parse(text) as SequencedOperation);
  }

  /** From a version on; they are in the tail from now on. */
  #frames(from: number, texts: readonly string[]): Buffer[] {
    let first = from;
    return opsFrames(texts, this.#options.maxBytes).map((ops) => {
      this.#tail.push(first, ops);
      first += ops.ends.length;
      return ops.frame;
    });
  }
}
