import type { Target } from "./plan.ts";

/** A frame's operations: consecutive versions from `first` on. */
export interface Batch {
  readonly first: number;
  readonly ids: readonly string[];
}

/** How a target is spoken to. */
export interface Dialect {
  path(document: string): string;
  readonly protocols: readonly string[];
  /** The first message; undefined: the target speaks first. */
  hello(clientId: string, token: string): string | undefined;
  submit(seq: number, base: number, operation: string): string;
  /** The document's version that a first frame tells. */
  welcome(frame: string): number;
  /** A batch, a violation in words, or undefined for what is neither. */
  read(frame: string): Batch | string | undefined;
}

const aetherflow: Dialect = {
  path: (document) => `/v1/documents/${document}/ws`,
  protocols: ["aetherflow.v1"],
  hello: (clientId, token) => JSON.stringify({ type: "hello", token, clientId }),
  submit: (seq, base, operation) => `{"type":"submit","seq":${seq},"base":${base},"ops":[${operation}]}`,
  welcome(frame) {
    const message = JSON.parse(frame) as { type: string; version: number };
    if (message.type !== "welcome") throw new Error(`expected welcome, got ${frame.slice(0, 200)}`);
    return message.version;
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

const relay: Dialect = {
  path: (document) => `/${document}`,
  protocols: [],
  hello: () => undefined,
  submit: (_seq, _base, operation) => operation,
  welcome: (frame) => (JSON.parse(frame) as { welcome: number }).welcome,
  read(frame) {
    const { first, ops } = JSON.parse(frame) as { first: number; ops: { id: string }[] };
    return { first, ids: ops.map(({ id }) => id) };
  },
};

export const dialects: Readonly<Record<Target, Dialect>> = { aetherflow, relay };
