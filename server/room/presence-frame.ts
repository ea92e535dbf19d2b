/**
 * The presence frames of one moment. Everybody is told the same, but never of themselves: the text is encoded once,
 * and who is in it gets a copy with their own entries cut out. With 300 people moving that is 300 copies of bytes
 * every frame instead of 300 × 300 texts put together.
 */
import type { PresenceState, SessionInfo } from "../../shared/protocol/messages.ts";
import { frameOfBytes } from "./frame.ts";

/** A range of bytes, its end excluded. */
type Range = readonly [from: number, to: number];

const opening = '{"type":"presence"';

export class PresenceFrames {
  readonly #body: Buffer;
  /** By session: what is left out for it, in order. */
  readonly #cuts = new Map<string, Range[]>();
  #shared: Buffer | undefined;

  constructor(news: {
    readonly joined: ReadonlyMap<string, SessionInfo>;
    readonly left: ReadonlySet<string>;
    readonly states: ReadonlyMap<string, PresenceState>;
  }) {
    const texts: string[] = [];
    let at = 0;
    const write = (text: string): number => {
      texts.push(text);
      at += Buffer.byteLength(text);
      return at;
    };
    const section = (
      open: string,
      entries: readonly (readonly [id: string, text: string])[],
      end: string,
    ) => {
      if (entries.length === 0) return;
      const start = at;
      write(open);
      const ranges = entries.map(([id, text], index): readonly [id: string, range: Range] => {
        const from = index === 0 ? at : write(",");
        return [id, [from, write(text)]];
      });
      write(end);
      ranges.forEach(([id, [from, to]], index) => {
        // With its comma: the one behind it, or of the last one that before it; of an only one the section goes.
        const only = ranges.length === 1;
        const last = index === ranges.length - 1;
        const cut: Range = only ? [start, at] : last ? [from - 1, to] : [from, to + 1];
        this.#cuts.set(id, [...(this.#cuts.get(id) ?? []), cut]);
      });
    };
    write(opening);
    section(
      ',"joined":[',
      [...news.joined].map(([id, session]) => [id, JSON.stringify(session)]),
      "]",
    );
    if (news.left.size > 0) write(`,"left":${JSON.stringify([...news.left])}`);
    section(
      ',"states":{',
      [...news.states].map(([id, state]) => [id, `"${id}":${JSON.stringify(state)}`]),
      "}",
    );
    write("}");
    this.#body = Buffer.from(texts.join(""));
  }

  /** The frame for a session; undefined when there is nothing that concerns others. */
  for(sessionId: string): Buffer | undefined {
    const cuts = this.#cuts.get(sessionId);
    if (cuts === undefined) {
      if (this.#body.length <= opening.length + 1) return undefined;
      this.#shared ??= frameOfBytes([this.#body]);
      return this.#shared;
    }
    const pieces: Buffer[] = [];
    let at = 0;
    for (const [from, to] of cuts) {
      pieces.push(this.#body.subarray(at, from));
      at = to;
    }
    pieces.push(this.#body.subarray(at));
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    return length <= opening.length + 1 ? undefined : frameOfBytes(pieces);
  }
}
