import { isForbiddenKey } from "./json.ts";

const name = /^[A-Za-z0-9_.:-]{1,128}$/;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What {@link isElementId} and {@link isUuid} accept, as the patterns of a JSON Schema. */
export const namePattern = "^(?!(?:__proto__|constructor|prototype)$)[A-Za-z0-9_.:-]{1,128}$";
export const uuidPattern = uuid.source;

/** The same rule for people: what an element's id and a property's name are. */
const nameRule = "1–128 of A-Za-z0-9_.:-, and not __proto__, constructor or prototype";
export const elementIdExpected = `expected an element id: ${nameRule}`;
export const propertyNameExpected = `expected a property's name: ${nameRule}`;
export const uuidExpected = "expected a lower-case UUID";

/** Whether a text may be the id of an element: 1–128 of `[A-Za-z0-9_.:-]`, no name that reaches a prototype. */
export function isElementId(text: unknown): text is string {
  return typeof text === "string" && name.test(text) && !isForbiddenKey(text);
}

/** Whether a text may be the name of a property; the same rule as for element ids. */
export function isPropertyName(text: unknown): text is string {
  return isElementId(text);
}

/** The value of each hexadecimal digit by its code. */
const digits = new Int32Array(128);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  digits[digit.charCodeAt(0)] = value;
  digits[digit.toUpperCase().charCodeAt(0)] = value;
}
const hyphen = 45;

/** Writes a UUID as four words of 32 bits from `at` on; returns where they were written to. Its shape is not checked. */
export function uuidWords(uuid: string, into: Int32Array, at: number): Int32Array {
  let from = 0;
  for (let word = 0; word < 4; word++) {
    let value = 0;
    for (let count = 0; count < 8; from++) {
      const code = uuid.charCodeAt(from);
      if (code === hyphen) continue;
      value = (value << 4) | (digits[code & 127] ?? 0);
      count++;
    }
    into[at + word] = value;
  }
  return into;
}

/** Whether a text is a UUID of any version, in lower case. */
export function isUuid(text: unknown): text is string {
  return typeof text === "string" && uuid.test(text);
}
