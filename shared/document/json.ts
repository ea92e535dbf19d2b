/** Any value that JSON can express. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * The properties of one element by name. Treated as immutable: a change makes a new object.
 * Plain objects (null-prototype ones are several times slower to copy and to write as JSON), so a name like
 * `toString` must be read with {@link own}.
 */
export type Properties = { readonly [name: string]: Json };

/** A document's state: element id → properties. The map is mutable, its values never are. */
export type Elements = Map<string, Properties>;

/** Deepest nesting of a property's value: a scalar is 0, `[]` is 1 (protocol section 2). */
export const maxJsonDepth = 16;

/** Where a value is not acceptable, as keys joined by dots ("" is the value itself), and why. */
export interface JsonProblem {
  readonly path: string;
  readonly message: string;
}

/** A property's value, or undefined when the object has none of its own by that name. */
export function own<T>(object: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Whether a value is an object in the sense of JSON: neither null, nor an array, nor of a class. */
export function isJsonObject(value: unknown): value is { [key: string]: unknown } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || isForeignObjectPrototype(prototype);
}

/** An object of another realm (an iframe, a vm context, a test runner) has that realm's `Object.prototype`. */
function isForeignObjectPrototype(prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "hasOwnProperty");
}

/** In unicode mode the class matches only surrogates that stand alone. */
const loneSurrogate = /[\ud800-\udfff]/u;

/** Whether a text can be stored: no `\u0000` (PostgreSQL refuses it), no lone surrogate (UTF-8 has none). */
export function isText(text: string): boolean {
  return !text.includes("\u0000") && !loneSurrogate.test(text);
}

/** The names that reach an object's prototype; refused as ids, names and keys at any level. */
export function isForbiddenKey(key: string): boolean {
  return key === "__proto__" || key === "constructor" || key === "prototype";
}

/**
 * Whether a value is JSON that the protocol admits, no deeper than `maxDepth`. Numbers must be finite:
 * `JSON.parse("1e400")` is Infinity, which would be stored as null.
 */
export function checkJson(value: unknown, maxDepth: number): JsonProblem | undefined {
  switch (typeof value) {
    case "boolean":
      return undefined;
    case "string":
      return isText(value) ? undefined : { path: "", message: "text with \\u0000 or a lone surrogate" };
    case "number":
      return Number.isFinite(value) ? undefined : { path: "", message: "not a finite number" };
    case "object":
      break;
    default:
      return { path: "", message: `${typeof value} is not JSON` };
  }
  if (value === null) return undefined;
  if (maxDepth <= 0) return { path: "", message: "nested too deeply" };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const problem = checkJson(value[index], maxDepth - 1);
      if (problem !== undefined) return below(String(index), problem);
    }
    return undefined;
  }
  if (!isJsonObject(value)) return { path: "", message: "not a plain object" };
  for (const key of Object.keys(value)) {
    if (isForbiddenKey(key)) return { path: key, message: "forbidden key" };
    if (!isText(key)) return { path: "", message: "key with \\u0000 or a lone surrogate" };
    const problem = checkJson(value[key], maxDepth - 1);
    if (problem !== undefined) return below(key, problem);
  }
  return undefined;
}

function below(key: string, problem: JsonProblem): JsonProblem {
  return { path: problem.path === "" ? key : `${key}.${problem.path}`, message: problem.message };
}

/** Equality of JSON values: -0 equals 0, the order of keys does not count. Undefined (absent) equals only itself. */
export function jsonEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let index = 0; index < a.length; index++) {
      if (!jsonEqual(a[index], b[index])) return false;
    }
    return true;
  }
  if (Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) {
    if (!Object.hasOwn(b, key) || !jsonEqual(a[key], b[key])) return false;
  }
  return true;
}
