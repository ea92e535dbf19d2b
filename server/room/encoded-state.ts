/**
 * A document's elements as JSON text, in parts. Made from a copy of the map (its values are immutable, so that the
 * copy is the state at one version, whatever is committed meanwhile), a part per event-loop turn: 50,000 elements
 * would otherwise stop every other document for a tenth of a second. Joiners of one moment, the snapshot writer and
 * GET content share one encoding.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Elements, Properties } from "../../shared/document/json.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import { encodeFrame } from "./frame.ts";
import type { Tail } from "./tail.ts";

export interface EncodedState {
  readonly version: number;
  readonly operationId: string | null;
  /** Each the inside of a JSON object: `"id":{…},"id2":{…}`; none for an empty document. */
  readonly parts: Promise<readonly string[]>;
  /** The parts as `snapshot` messages in WebSocket frames: made for the first joiner that needs them, for all the same. */
  frames(): Promise<readonly Buffer[]>;
}

/** About what a turn of the event loop may spend: a part takes some 2 ms. */
const partLength = 256 * 1024;

/**
 * Captures the state now and encodes it in the turns that follow. `maxPartBytes`: of one part, unless a single element
 * is larger; 0: no limit.
 */
export function encodeState(
  state: { readonly elements: Elements; readonly version: number; readonly operationId: string | null },
  maxPartBytes: number,
): EncodedState {
  const { version, operationId } = state;
  // A UTF-16 unit takes three bytes of UTF-8 at most.
  const length = maxPartBytes === 0 ? partLength : Math.min(partLength, Math.floor(maxPartBytes / 3));
  const parts = encodeElements([...state.elements], length);
  let frames: Promise<readonly Buffer[]> | undefined;
  return {
    version,
    operationId,
    parts,
    frames() {
      frames ??= encodeFrames(parts);
      return frames;
    },
  };
}

async function encodeFrames(encoding: Promise<readonly string[]>): Promise<Buffer[]> {
  const parts = await encoding;
  const frames: Buffer[] = [];
  for (const [index, part] of parts.entries()) {
    if (index > 0) await turn();
    const more = index < parts.length - 1;
    frames.push(encodeFrame(`{"type":"snapshot","elements":{${part}},"more":${more}}`));
  }
  return frames;
}

/** Parts of about that many UTF-16 units, a turn of the event loop each. Null: an element that is gone. */
export async function encodeElements(
  elements: readonly (readonly [string, Properties | null])[],
  maxLength = partLength,
): Promise<string[]> {
  const parts: string[] = [];
  let texts: string[] = [];
  let length = 0;
  for (const [id, properties] of elements) {
    const text = `"${id}":${JSON.stringify(properties)}`;
    if (length > 0 && length + text.length > maxLength) {
      parts.push(texts.join(","));
      texts = [];
      length = 0;
      await turn();
    }
    texts.push(text);
    length += text.length;
  }
  if (texts.length > 0) parts.push(texts.join(","));
  return parts;
}

/** An encoding is kept this long for the next joiner. */
const keepMs = 5_000;
/** A joiner is sent an encoding this many operations old, and the operations. */
const maxLagOperations = 500;

/** The room's newest encoding, for as long as somebody may want it again. */
export class EncodedCache {
  readonly #state: DocumentState;
  readonly #tail: Tail;
  readonly #maxPartBytes: number;
  #kept: EncodedState | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(state: DocumentState, tail: Tail, maxPartBytes: number) {
    this.#state = state;
    this.#tail = tail;
    this.#maxPartBytes = maxPartBytes;
  }

  /** The state of this moment, or a little older where the tail leads on from it. */
  get(maxLag = maxLagOperations): EncodedState {
    const { version } = this.#state;
    const kept = this.#kept;
    const usable =
      kept !== undefined && version - kept.version <= maxLag && this.#tail.leadsFrom(kept.version, version);
    const encoded = usable ? kept : encodeState(this.#state, this.#maxPartBytes);
    clearTimeout(this.#timer);
    // The last one, of a room that closes, is for nobody else.
    if (this.#closed) return encoded;
    this.#kept = encoded;
    this.#timer = setTimeout(() => {
      this.#kept = undefined;
    }, keepMs);
    return encoded;
  }

  close(): void {
    this.#closed = true;
    this.#kept = undefined;
    clearTimeout(this.#timer);
  }
}
