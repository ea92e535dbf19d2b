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

/** Whether a text is a UUID of any version, in lower case. */
export function isUuid(text: unknown): text is string {
  return typeof text === "string" && uuid.test(text);
}
