/** A document's past: its content at earlier versions, edits that bring it back, and who wrote what stands there now. */
import { setImmediate as turn } from "node:timers/promises";
import { jsonEqual, type Properties } from "../../shared/document/json.ts";
import { Reversal, type RevertSelection } from "../../shared/document/revert.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import { beyondCurrent } from "./beyond.ts";
import { blameTexts } from "./blame.ts";
import type { EditRequest, EditResult, EncodedContent } from "./edits.ts";
import { encodeState } from "./encoded-state.ts";
import type { RoomRegistry } from "./registry.ts";
import { replacement } from "./replacement.ts";
import type { Room } from "./room.ts";
import type { RoomServices } from "./services.ts";
import { stateAt } from "./state-at.ts";
import type { Refusal } from "./submission.ts";
import { submitEdit } from "./submit-edit.ts";
import { decodeSequenced } from "./wire.ts";

export interface RestoreRequest extends EditRequest {
  /** The version whose content is wanted. */
  readonly version: number;
}

export interface RevertRequest extends EditRequest {
  /** `to` at most the current version. */
  readonly selection: RevertSelection;
}

/** Who wrote what a document shows, as the texts of one JSON value. */
export interface Blame {
  readonly version: number;
  /** The inside of `{[element id]: {[property]: {version, user, client, at}}}` in parts, without commas between them. */
  readonly encoded: AsyncIterable<string>;
}

export type Past<T> = ({ readonly ok: true } & T) | ({ readonly ok: false } & Refusal & { version?: number });

export interface HistoryEdits {
  /** The content at a version: costs the log since the snapshot before it. `base_too_old` below the retained log. */
  contentAt(docId: string, version: number): Promise<Past<EncodedContent>>;
  /** Brings the content of a version back, by one atomic batch against whatever is current. */
  restore(docId: string, request: RestoreRequest): Promise<EditResult>;
  /** Undoes operations wherever nobody outside the selection wrote since, by one atomic batch. */
  revert(docId: string, request: RevertRequest): Promise<EditResult>;
  /** For each property that is there, its last write, where that is known; of all elements, or of one. */
  blame(docId: string, element?: string): Promise<Blame | undefined>;
}

const gone = { ok: false, code: "not_found", message: "no such document" } as const;
const tooOld = { ok: false, code: "base_too_old", message: "older than the retained log" } as const;

/** Operations of one read of the log. */
const readOperations = 1_000;
/** Elements compared in one turn of the event loop. */
const elementsPerTurn = 1_000;
/** The log moved faster than it could be read: tried again so often. */
const maxAttempts = 5;

export function createHistoryEdits(registry: RoomRegistry, services: RoomServices): HistoryEdits {
  const { store, newId, config } = services;

  /**
   * The room, at least where the database stands, when the document has reached the versions that the request names
   * in these fields and its log reaches back to this one.
   */
  async function roomAt(
    docId: string,
    version: number,
    named: { readonly [field: string]: number },
  ): Promise<Past<{ room: Room }>> {
    const room = await registry.current(docId);
    if (room === undefined) return gone;
    for (const [field, value] of Object.entries(named)) {
      if (value > room.version)
        return { ok: false, ...beyondCurrent(field, room.version), version: room.version };
    }
    if (version < room.retainedFrom - 1) return { ...tooOld, version: room.version };
    return { ok: true, room };
  }

  async function stateOf(room: Room, version: number): Promise<Past<{ state: DocumentState }>> {
    const state = await stateAt(store, room.docId, version);
    // Archived while it was read.
    return state === undefined ? { ...tooOld, version: room.version } : { ok: true, state };
  }

  return {
    async contentAt(docId, version) {
      const found = await roomAt(docId, version, { version });
      if (!found.ok) return found;
      if (version === found.room.version) {
        const { parts } = found.room.encoded(0);
        return { ok: true, version, encoded: await parts };
      }
      const past = await stateOf(found.room, version);
      if (!past.ok) return past;
      const { parts } = encodeState(past.state, config.limits.maxServerMessageBytes);
      return { ok: true, version, encoded: await parts };
    },

    async restore(docId, request) {
      const { version } = request;
      const found = await roomAt(docId, version, { version });
      if (!found.ok) return found;
      const { room } = found;
      return room.using(async () => {
        const refusal = request.authorise(room.document);
        if (refusal !== undefined) return { ok: false, ...refusal, version: room.version };
        const past = await stateOf(room, version);
        if (!past.ok) return past;
        const wanted = past.state.elements;
        const equal = await equalElements(room.state.elements, wanted);
        return submitEdit(room, store, request, {
          ops: [],
          base: undefined,
          compose: {
            exact: true,
            operations: ({ elements }) => replacement(elements, wanted, newId, (now) => equal.has(now)),
          },
        });
      });
    },

    async revert(docId, request) {
      const { selection } = request;
      const { from, to } = selection;
      const found = await roomAt(docId, from - 1, { from, to });
      if (!found.ok) return found;
      const { room } = found;
      return room.using(async () => {
        const refusal = request.authorise(room.document);
        if (refusal !== undefined) return { ok: false, ...refusal, version: room.version };
        const past = await stateOf(room, from - 1);
        if (!past.ok) return past;
        const reversal = new Reversal(past.state, selection);
        for (let attempt = 1; ; attempt++) {
          if (!(await readOn(reversal, room))) return { ...tooOld, version: room.version };
          const result = await submitEdit(room, store, request, {
            ops: [],
            base: undefined,
            compose: {
              exact: false,
              operations(state) {
                const since = room.operationsAfter(reversal.version);
                if (since === undefined) return hurried(state.version);
                for (const operation of since) reversal.add(operation);
                return reversal.operations(newId);
              },
            },
          });
          if (result.ok || result.code !== "version_mismatch" || attempt === maxAttempts) return result;
        }
      });
    },

    async blame(docId, element) {
      const room = await registry.current(docId);
      if (room === undefined) return undefined;
      return { version: room.version, encoded: blameTexts(room.state, element) };
    },
  };

  /** Reads the log up to where the room stands. False: part of it is archived meanwhile. */
  async function readOn(reversal: Reversal, room: Room): Promise<boolean> {
    while (reversal.version < room.version) {
      const from = reversal.version + 1;
      const rows = await store.operations.byVersion(room.docId, from, from + readOperations - 1);
      if (rows[0]?.version !== from) return false;
      for (const row of rows) reversal.add(decodeSequenced(row));
      await turn();
    }
    return true;
  }
}

const hurried = (version: number): Refusal => ({
  code: "version_mismatch",
  message: `the document moved on to version ${version} faster than its log could be read`,
});

/** The elements' present values that are equal to what is wanted, found in turns: values are never changed in place. */
async function equalElements(
  now: ReadonlyMap<string, Properties>,
  wanted: ReadonlyMap<string, Properties>,
): Promise<Set<Properties>> {
  const equal = new Set<Properties>();
  let compared = 0;
  for (const [element, properties] of [...wanted]) {
    const present = now.get(element);
    if (present !== undefined && jsonEqual(present, properties)) equal.add(present);
    if (++compared % elementsPerTurn === 0) await turn();
  }
  return equal;
}
