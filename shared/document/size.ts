/**
 * The approximate JSON size of values, in bytes. The measure is additive (a text's is the sum of its parts', a
 * list's of its items'), so that a document's size is kept by adding differences and never counted anew.
 * Escapes are not counted, a number counts as its digits up to 16.
 */
import { type Json, own, type Properties } from "./json.ts";
import type { OperationEffect } from "./operation.ts";
import { utf8Bytes } from "./utf8.ts";

/** The approximate bytes of a value as JSON. */
export function jsonBytes(value: Json): number {
  if (typeof value === "string") return utf8Bytes(value) + 2;
  if (typeof value === "number") return numberBytes(value);
  if (typeof value === "boolean" || value === null) return 4;
  if (Array.isArray(value)) return 2 + itemsBytes(value);
  return propertiesBytes(value);
}

function numberBytes(value: number): number {
  if (!Number.isInteger(value)) return 16;
  const magnitude = Math.abs(value);
  if (magnitude < 10) return 1;
  if (magnitude < 1_000) return 3;
  if (magnitude < 1_000_000) return 6;
  return magnitude < 1_000_000_000 ? 9 : 16;
}

function itemsBytes(items: readonly Json[]): number {
  let bytes = 0;
  for (const item of items) bytes += jsonBytes(item) + 1;
  return bytes;
}

function propertiesBytes(properties: Properties): number {
  let bytes = 2;
  for (const name of Object.keys(properties)) bytes += propertyBytes(name, properties[name]);
  return bytes;
}

function propertyBytes(name: string, value: Json | undefined): number {
  return value === undefined ? 0 : utf8Bytes(name) + 4 + jsonBytes(value);
}

/** The approximate bytes that an element takes in the document's JSON; 0 when absent. */
export function elementBytes(element: string, properties: Properties | undefined): number {
  return properties === undefined ? 0 : element.length + 4 + propertiesBytes(properties);
}

/** By how many bytes an operation changes the document whose element is now `before`. */
export function effectBytes(before: Properties | undefined, op: OperationEffect): number {
  if (op.type === "create")
    return elementBytes(op.element, op.props ?? {}) - elementBytes(op.element, before);
  if (before === undefined) return 0;
  if (op.type === "delete") return -elementBytes(op.element, before);
  let bytes = 0;
  if (op.set !== undefined) {
    for (const name in op.set) {
      const value = op.set[name];
      const present = own(before, name);
      if (value === undefined || present === undefined) bytes += propertyBytes(name, value);
      else bytes += jsonBytes(value) - jsonBytes(present);
    }
  }
  if (op.unset !== undefined) {
    for (const name of new Set(op.unset)) bytes -= propertyBytes(name, own(before, name));
  }
  if (op.append !== undefined) {
    for (const name of Object.keys(op.append)) {
      const present = own(before, name);
      if (present !== undefined && !Array.isArray(present)) continue;
      bytes += itemsBytes(op.append[name] ?? []) + (present === undefined ? propertyBytes(name, []) : 0);
    }
  }
  if (op.splice !== undefined) {
    for (const name of Object.keys(op.splice)) {
      const text = own(before, name);
      if (typeof text !== "string") continue;
      for (const [position, deleteCount, insert] of op.splice[name] ?? []) {
        bytes += utf8Bytes(insert) - utf8Bytes(text.slice(position, position + deleteCount));
      }
    }
  }
  return bytes;
}
