/**
 * Arrays as PostgreSQL's binary format (array_recv), for parameters on the hot path: the driver sends a Buffer as it
 * is, so nothing is escaped here or parsed there. 10,000 operations in calls of 100 cost PostgreSQL 0.21 s of CPU this
 * way and 0.26 s as text arrays, same statement.
 */
import { Buffer } from "node:buffer";
import { uuidWords } from "../../../shared/document/identifier.ts";

const oids = { bytea: 17, int8: 20, int4: 23, text: 25, uuid: 2950 } as const;

/** ndim, has nulls, element type, length, lower bound. */
const headerBytes = 20;

function header(target: Buffer, oid: number, length: number, nulls: boolean): void {
  target.writeInt32BE(1, 0);
  target.writeInt32BE(nulls ? 1 : 0, 4);
  target.writeInt32BE(oid, 8);
  target.writeInt32BE(length, 12);
  target.writeInt32BE(1, 16);
}

/** An array without elements has no dimension. */
function empty(oid: number): Buffer {
  const target = Buffer.alloc(12);
  target.writeInt32BE(oid, 8);
  return target;
}

/** `int4[]`. */
export function int4Array(values: readonly number[]): Buffer {
  if (values.length === 0) return empty(oids.int4);
  const target = Buffer.allocUnsafe(headerBytes + values.length * 8);
  header(target, oids.int4, values.length, false);
  let at = headerBytes;
  for (const value of values) {
    at = target.writeInt32BE(4, at);
    at = target.writeInt32BE(value, at);
  }
  return target;
}

/** `int8[]` of safe integers that are not negative. */
export function int8Array(values: readonly number[]): Buffer {
  if (values.length === 0) return empty(oids.int8);
  const target = Buffer.allocUnsafe(headerBytes + values.length * 12);
  header(target, oids.int8, values.length, false);
  let at = headerBytes;
  for (const value of values) {
    at = target.writeInt32BE(8, at);
    at = target.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
    at = target.writeUInt32BE(value % 0x1_0000_0000, at);
  }
  return target;
}

/** `uuid[]`; every value but null is a UUID with hyphens (a trusted one: its shape is not checked). */
export function uuidArray(values: readonly (string | null)[]): Buffer {
  if (values.length === 0) return empty(oids.uuid);
  const target = Buffer.allocUnsafe(headerBytes + values.length * 20);
  let nulls = false;
  let at = headerBytes;
  for (const value of values) {
    if (value === null) {
      nulls = true;
      at = target.writeInt32BE(-1, at);
      continue;
    }
    at = writeUuid(target, value, target.writeInt32BE(16, at));
  }
  header(target, oids.uuid, values.length, nulls);
  return target.subarray(0, at);
}

const words = new Int32Array(4);

/** Digit by digit: a third of the time of a text without hyphens and `write(…, "hex")`. Returns the place behind it. */
function writeUuid(target: Buffer, uuid: string, start: number): number {
  let at = start;
  for (const word of uuidWords(uuid, words, 0)) at = target.writeInt32BE(word, at);
  return at;
}

/** `text[]`. */
export function textArray(values: readonly (string | null)[]): Buffer {
  return strings(oids.text, values);
}

/** `bytea[]` of UTF-8 text. */
export function utf8Array(values: readonly string[]): Buffer {
  return strings(oids.bytea, values);
}

function strings(oid: number, values: readonly (string | null)[]): Buffer {
  if (values.length === 0) return empty(oid);
  let bytes = headerBytes + values.length * 4;
  // Three bytes a UTF-16 unit is the most that UTF-8 takes: cheaper than measuring each text.
  for (const value of values) bytes += value === null ? 0 : value.length * 3;
  const target = Buffer.allocUnsafe(bytes);
  let nulls = false;
  let at = headerBytes;
  for (const value of values) {
    if (value === null) {
      nulls = true;
      at = target.writeInt32BE(-1, at);
      continue;
    }
    const written = target.write(value, at + 4, "utf8");
    target.writeInt32BE(written, at);
    at += 4 + written;
  }
  header(target, oid, values.length, nulls);
  return target.subarray(0, at);
}
