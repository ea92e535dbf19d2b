/** The texts of the wire that a room makes: an operation is encoded once, and everything else is built around that text. */
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { StoredOperation } from "../store/store.ts";

export interface WireOperation {
  readonly version: number;
  readonly id: string;
  /** JSON of the sequenced operation. */
  readonly text: string;
}

/**
 * Builds a sequenced operation's JSON from its row: a few short values are encoded and the effect's own text is
 * placed between them (0.2 µs instead of the 0.6 µs of encoding all of it).
 */
export function encodeSequenced(row: StoredOperation): WireOperation {
  const { version, id } = row;
  const effect = row.data.length > 2 ? `,${row.data.slice(1, -1)}` : "";
  const extra = row.extra === null ? "" : `,"extra":${row.extra}`;
  const conflict = row.conflict === null ? "" : `,"conflict":"${row.conflict}"`;
  const text =
    `{"version":${version},"id":"${id}","type":"${row.type}","element":"${row.element}"${effect}${extra}` +
    `,"base":${row.base},"status":"${row.status}","session":"${row.session}","user":${JSON.stringify(row.user)}` +
    `,"client":${JSON.stringify(row.client)},"at":"${row.at}"${conflict}}`;
  return { version, id, text };
}

/** The sequenced operation itself, for applying. */
export function decodeSequenced(row: StoredOperation): SequencedOperation {
  // Written into what was parsed: copying it into another object took ten times as long.
  const { id, type, element, version, base, status, session, user, client, at } = row;
  const operation: SequencedOperation = Object.assign(JSON.parse(row.data) as object, {
    id,
    type,
    element,
    version,
    base,
    status,
    session,
    user,
    client,
    at,
  });
  if (row.extra !== null) Object.assign(operation, { extra: JSON.parse(row.extra) as object });
  if (row.conflict !== null) Object.assign(operation, { conflict: row.conflict });
  return operation;
}

/** `ops` frames' texts of at most `maxBytes` of operations each (a single larger operation alone may exceed it); 0: one frame. */
export function* opsTexts(operations: readonly WireOperation[], maxBytes: number): Generator<string> {
  let texts: string[] = [];
  let size = 0;
  for (const { text } of operations) {
    const bytes = Buffer.byteLength(text);
    if (texts.length > 0 && maxBytes > 0 && size + bytes > maxBytes) {
      yield opsText(texts);
      texts = [];
      size = 0;
    }
    texts.push(text);
    size += bytes;
  }
  if (texts.length > 0) yield opsText(texts);
}

const opsText = (texts: readonly string[]): string => `{"type":"ops","ops":[${texts.join(",")}]}`;
