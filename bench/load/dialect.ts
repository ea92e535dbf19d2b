import type { Target } from "./plan.ts";

/** A frame's operations: consecutive versions from `first` on. */
export interface Batch {
  readonly first: number;
  readonly ids: readonly string[];
}

/** Where a replica comes back from: the last version that it has, and the id of the operation at it. */
export interface Since {
  readonly version: number;
  readonly id: string;
}

/** What the first frame tells. */
export interface Welcomed {
  /** The document's version when it was joined. */
  readonly version: number;
  /** The version that this frame alone leads to; operations up to `version` follow. */
  readonly reached: number;
  /** Frames with the rest of a snapshot follow. */
  readonly more: boolean;
  readonly fromSnapshot: boolean;
}

/** How a target is spoken to. */
export interface Dialect {
  path(document: string): string;
  readonly protocols: readonly string[];
  /** The first message; undefined: the target speaks first. */
  hello(clientId: string, token: string, since: Since | undefined): string | undefined;
  submit(seq: number, base: number, operation: string): string;
  /** Throws for anything else. */
  welcome(frame: string, since: Since | undefined): Welcomed;
  /** Whether a frame is a part of a snapshot, and the last one; read from its ends, it may be a megabyte. */
  snapshotPart(frame: Buffer): "more" | "last" | undefined;
  /** A batch, a violation in words, or undefined for what is neither. */
  read(frame: string): Batch | string | undefined;
}

const snapshotHead = Buffer.from('{"type":"snapshot"');

const aetherflow: Dialect = {
  path: (document) => `/v1/documents/${document}/ws`,
  protocols: ["aetherflow.v1"],
  hello: (clientId, token, since) =>
    JSON.stringify({
      type: "hello",
      token,
      clientId,
      ...(since === undefined ? {} : { since: since.version, sinceId: since.id }),
    }),
  submit: (seq, base, operation) => `{"type":"submit","seq":${seq},"base":${base},"ops":[${operation}]}`,
  welcome(frame, since) {
    const message = JSON.parse(frame) as {
      type: string;
      version: number;
      snapshot?: { version: number; more: boolean };
      ops?: { version: number }[];
    };
    if (message.type !== "welcome") throw new Error(`expected welcome, got ${frame.slice(0, 200)}`);
    const { version, snapshot, ops = [] } = message;
    const start = snapshot?.version ?? since?.version ?? 0;
    const gap = ops.find((op, index) => op.version !== start + index + 1);
    if (gap !== undefined) throw new Error(`a gap in the welcome: ${gap.version} after ${start}`);
    const fromSnapshot = snapshot !== undefined;
    return { version, reached: start + ops.length, more: snapshot?.more ?? false, fromSnapshot };
  },
  snapshotPart(frame) {
    if (!frame.subarray(0, snapshotHead.length).equals(snapshotHead)) return undefined;
    return frame.subarray(-12).includes('"more":true') ? "more" : "last";
  },
  read(frame) {
    const message = JSON.parse(frame) as { type: string; ops?: { version: number; id: string }[] };
    switch (message.type) {
      case "ops": {
        const ops = message.ops ?? [];
        const first = ops[0]?.version ?? 0;
        const gap = ops.findIndex(({ version }, index) => version !== first + index);
        if (gap >= 0) return `a gap within a frame: ${ops[gap]?.version} at ${first} + ${gap}`;
        return { first, ids: ops.map(({ id }) => id) };
      }
      case "reject":
      case "ack":
      case "error":
      case "bye":
        return frame.slice(0, 300);
      default:
        return undefined;
    }
  },
};

const ballast = "#".charCodeAt(0);

const relay: Dialect = {
  path: (document) => `/${document}`,
  protocols: [],
  hello: () => undefined,
  submit: (_seq, _base, operation) => operation,
  welcome(frame) {
    const { welcome, more = false } = JSON.parse(frame) as { welcome: number; more?: boolean };
    return { version: welcome, reached: welcome, more, fromSnapshot: false };
  },
  // The ballast that `raw-ws.ts` sends where a server would send a document.
  snapshotPart: (frame) => (frame[0] === ballast ? "last" : undefined),
  read(frame) {
    const { first, ops } = JSON.parse(frame) as { first: number; ops: { id: string }[] };
    return { first, ids: ops.map(({ id }) => id) };
  },
};

export const dialects: Readonly<Record<Target, Dialect>> = { aetherflow, relay };
