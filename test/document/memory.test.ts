import { describe, expect, it } from "vitest";
import { freezeMemory } from "../../shared/document/document-memory.ts";
import { decodeMemory, encodeMemory } from "../../shared/document/memory.ts";
import type { Operation } from "../../shared/document/operation.ts";
import { applySequenced, createState, type DocumentState } from "../../shared/document/state.ts";

function log(state: DocumentState, fields: Omit<Operation, "id">, client = "c"): void {
  const version = state.version + 1;
  const id = `00000000-0000-7000-8000-${String(version).padStart(12, "0")}`;
  const at = "2026-01-01T00:00:00.000Z";
  applySequenced(state, {
    ...fields,
    id,
    version,
    base: version - 1,
    status: "applied",
    session: "",
    user: "u",
    client,
    at,
  });
}

function large(): DocumentState {
  const state = createState();
  log(state, { type: "create", element: "text", props: { t: "" } });
  for (let count = 0; count < 6_000; count++) {
    log(state, { type: "text", element: "text", splice: { t: [[0, 0, "a"]] } }, `c${count % 3}`);
  }
  for (let count = 0; count < 3_000; count++) {
    log(state, { type: "create", element: `e${count}`, props: { x: 1 } });
    log(state, { type: "move", element: `e${count}`, set: { x: 2 } }, "d");
  }
  return state;
}

describe("the memory as text", () => {
  it("[document/memory] parts of at most 256 KiB, read back as they were", () => {
    const { memory } = large();
    const parts = [...encodeMemory(memory)];
    expect(parts.length).toBeGreaterThan(4);
    for (const part of parts) expect(Buffer.byteLength(part)).toBeLessThanOrEqual(256 * 1024);
    const read = decodeMemory(parts);
    expect(read.since).toBe(memory.since);
    expect(JSON.stringify([...encodeMemory(read)])).toBe(JSON.stringify(parts));
    expect(read.elements.get("e7")).toEqual(memory.elements.get("e7"));
    expect(read.elements.size).toBe(memory.elements.size);
  });

  it("[document/memory] authors are one object each again, over all parts", () => {
    const read = decodeMemory(encodeMemory(large().memory));
    const authors = new Set([...read.elements.values()].map(({ latest }) => latest.author));
    expect(authors.size).toBe(2);
  });

  it("[document/memory] a frozen one stays as it was while the other is written to", () => {
    const state = large();
    const frozen = freezeMemory(state.memory);
    const before = JSON.stringify([...encodeMemory(state.memory)]);
    log(state, { type: "move", element: "e1", set: { x: 3 } });
    log(state, { type: "delete", element: "e2" });
    log(state, { type: "create", element: "new", props: {} });
    log(state, { type: "text", element: "text", splice: { t: [[0, 0, "b"]] } });
    expect(JSON.stringify([...encodeMemory(frozen)])).toBe(before);
    expect(JSON.stringify([...encodeMemory(state.memory)])).not.toBe(before);
  });

  it("[document/memory] no memory, or one of an unknown format, is an error", () => {
    expect(() => decodeMemory([])).toThrow();
    expect(() => decodeMemory(['{"format":2}'])).toThrow("format 2");
  });
});
