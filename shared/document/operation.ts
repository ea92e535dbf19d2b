import {
  elementIdExpected,
  isElementId,
  isPropertyName,
  isUuid,
  propertyNameExpected,
  uuidExpected,
} from "./identifier.ts";
import {
  checkJson,
  isJsonObject,
  isText,
  type Json,
  type JsonProblem,
  maxJsonDepth,
  type Properties,
} from "./json.ts";
import { utf8Bytes } from "./utf8.ts";

export const operationTypes = ["create", "update", "delete", "move", "resize", "style", "text"] as const;
export type OperationType = (typeof operationTypes)[number];

/** One edit of a string property: `[position, deleteCount, insert]`, in UTF-16 code units of the text before all edits of the list. */
export type SpliceEdit = readonly [position: number, deleteCount: number, insert: string];

/** What a replica applies: the part of an operation that changes an element. */
export interface OperationEffect {
  readonly type: OperationType;
  readonly element: string;
  readonly props?: { readonly [name: string]: Json };
  readonly set?: { readonly [name: string]: Json };
  readonly unset?: readonly string[];
  readonly append?: { readonly [name: string]: readonly Json[] };
  readonly splice?: { readonly [name: string]: readonly SpliceEdit[] };
}

/** An operation as its author submits it. */
export interface Operation extends OperationEffect {
  /** UUID, lower-case; unique in the document for ever. */
  readonly id: string;
  readonly extra?: { readonly [key: string]: Json };
}

export const operationStatuses = ["applied", "conflict", "resolved"] as const;
export type OperationStatus = (typeof operationStatuses)[number];

/** An operation with its place in the document's total order. */
export interface SequencedOperation extends Operation {
  readonly version: number;
  readonly base: number;
  readonly status: OperationStatus;
  readonly session: string;
  readonly user: string;
  readonly client: string;
  /** RFC 3339, UTC, milliseconds; the database's clock at commit. */
  readonly at: string;
  readonly conflict?: string;
}

/** Who made an operation: a replica (tab, process) of a user. Two tabs of one person are two authors. */
export interface Author {
  readonly user: string;
  readonly client: string;
}

/** Most bytes of `extra` as JSON (protocol section 2). */
export const maxExtraBytes = 4096;

/** What {@link readOperation} makes of a value; `path` is relative to the operation (`set.x`). */
export type OperationReading =
  | { readonly ok: true; readonly operation: Operation }
  | {
      readonly ok: false;
      readonly code: "invalid_operation" | "too_large";
      readonly path: string;
      readonly message: string;
      /** With `too_large`: the name of the limit. */
      readonly limit?: "maxExtraBytes";
    };

type Invalid = Extract<OperationReading, { ok: false }>;

/**
 * Validates an operation as it came from a client and returns it with its known fields only (`props` filled in for a
 * `create`). Hand-written because it runs for every operation; `operationSchema` says the same and is its test oracle.
 * Values are taken over, not copied. Whether it fits the document is decided later.
 */
export function readOperation(value: unknown): OperationReading {
  if (!isJsonObject(value)) return invalid("", "expected an operation, an object");
  const { id, type, element, extra } = value;
  if (!isUuid(id)) return invalid("id", uuidExpected);
  if (!isOperationType(type)) return invalid("type", `expected one of ${operationTypes.join(", ")}`);
  if (!isElementId(element)) return invalid("element", elementIdExpected);
  const operation: Writable<Operation> = { id, type, element };
  const problem = readEffect(operation, value);
  if (problem !== undefined) return problem;
  if (extra !== undefined) {
    if (!isJsonObject(extra)) return invalid("extra", "expected an object");
    const found = checkJson(extra, maxJsonDepth);
    if (found !== undefined) return invalidBelow("extra", found);
    if (utf8Bytes(JSON.stringify(extra)) > maxExtraBytes) {
      const message = `expected at most ${maxExtraBytes} bytes of JSON`;
      return { ok: false, code: "too_large", path: "extra", message, limit: "maxExtraBytes" };
    }
    operation.extra = extra as { [key: string]: Json };
  }
  return { ok: true, operation };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type RawFields = { readonly [key: string]: unknown };

function readEffect(operation: Writable<Operation>, value: RawFields): Invalid | undefined {
  const writes = operation.type !== "create" && operation.type !== "delete";
  const { props, set, unset, append, splice } = value;
  if (props !== undefined || operation.type === "create") {
    if (operation.type !== "create") return misplaced("props", operation.type);
    const found = props === undefined ? undefined : checkProperties("props", props);
    if (found !== undefined) return found;
    operation.props = (props ?? {}) as Properties;
  }
  if (set !== undefined) {
    if (!writes) return misplaced("set", operation.type);
    const found = checkProperties("set", set);
    if (found !== undefined) return found;
    operation.set = set as Properties;
  }
  if (unset !== undefined) {
    if (!writes) return misplaced("unset", operation.type);
    const found = checkNames(unset, operation);
    if (found !== undefined) return found;
    operation.unset = unset as string[];
  }
  if (append !== undefined) {
    if (!writes) return misplaced("append", operation.type);
    const found = checkProperties("append", append) ?? checkAppends(append as RawFields, operation);
    if (found !== undefined) return found;
    operation.append = append as { [name: string]: Json[] };
  }
  if (splice !== undefined) {
    if (!writes) return misplaced("splice", operation.type);
    const found = checkSplices(splice, operation);
    if (found !== undefined) return found;
    operation.splice = splice as { [name: string]: SpliceEdit[] };
  }
  return undefined;
}

function checkProperties(field: string, value: unknown): Invalid | undefined {
  if (!isJsonObject(value)) return invalid(field, "expected an object of properties");
  // Its own ones: a page that the SDK runs in may have given every object more.
  for (const name of Object.keys(value)) {
    if (!isPropertyName(name)) return invalid(field, propertyNameExpected);
    const found = checkJson(value[name], maxJsonDepth);
    if (found !== undefined) return invalidBelow(`${field}.${name}`, found);
  }
  return undefined;
}

function checkNames(unset: unknown, before: OperationEffect): Invalid | undefined {
  if (!Array.isArray(unset)) return invalid("unset", "expected an array of names");
  for (let index = 0; index < unset.length; index++) {
    const name: unknown = unset[index];
    if (!isPropertyName(name)) return invalid(`unset.${index}`, propertyNameExpected);
    if (isIn(name, before)) return invalid(`unset.${index}`, onlyOne);
  }
  return undefined;
}

function checkAppends(append: RawFields, before: OperationEffect): Invalid | undefined {
  for (const name of Object.keys(append)) {
    if (!Array.isArray(append[name])) return invalid(`append.${name}`, "expected an array of items");
    if (isIn(name, before)) return invalid(`append.${name}`, onlyOne);
  }
  return undefined;
}

function checkSplices(splice: unknown, before: OperationEffect): Invalid | undefined {
  if (!isJsonObject(splice)) return invalid("splice", "expected an object of edits by property");
  for (const name of Object.keys(splice)) {
    if (!isPropertyName(name)) return invalid("splice", propertyNameExpected);
    if (isIn(name, before)) return invalid(`splice.${name}`, onlyOne);
    const edits = splice[name];
    if (!Array.isArray(edits)) return invalid(`splice.${name}`, "expected an array of edits");
    let end = 0;
    for (let index = 0; index < edits.length; index++) {
      const edit: unknown = edits[index];
      const path = `splice.${name}.${index}`;
      if (!isEdit(edit)) return invalid(path, "expected an edit: [position, deleteCount, insert]");
      if (edit[0] < end)
        return invalid(path, "expected an edit that begins at or after the end of the one before");
      end = edit[0] + edit[1];
    }
  }
  return undefined;
}

function isEdit(edit: unknown): edit is SpliceEdit {
  return (
    Array.isArray(edit) &&
    edit.length === 3 &&
    isCount(edit[0]) &&
    isCount(edit[1]) &&
    typeof edit[2] === "string" &&
    isText(edit[2])
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const onlyOne = "a property may stand in only one of set, unset, append, splice";

function isIn(name: string, op: OperationEffect): boolean {
  return (
    (op.set !== undefined && Object.hasOwn(op.set, name)) ||
    op.unset?.includes(name) === true ||
    (op.append !== undefined && Object.hasOwn(op.append, name))
  );
}

function isOperationType(type: unknown): type is OperationType {
  return (operationTypes as readonly unknown[]).includes(type);
}

function misplaced(field: string, type: OperationType): Invalid {
  return invalid(field, `does not belong to ${type}`);
}

function invalid(path: string, message: string): Invalid {
  return { ok: false, code: "invalid_operation", path, message };
}

function invalidBelow(path: string, problem: JsonProblem): Invalid {
  return invalid(problem.path === "" ? path : `${path}.${problem.path}`, problem.message);
}

/** The JSON text of an operation's effect: those of `props set unset append splice` that it has, `{}` for none. */
export function encodeEffect(op: OperationEffect): string {
  const { props, set, unset, append, splice } = op;
  const setOnly = props === undefined && unset === undefined && append === undefined && splice === undefined;
  // Most operations: a quarter faster than what is right for all.
  if (setOnly && set !== undefined) return `{"set":${JSON.stringify(set)}}`;
  // A literal with undefined fields is written without them.
  return JSON.stringify({ props, set, unset, append, splice });
}

/** The inverse of {@link encodeEffect}. The text comes from the log, where only validated operations stand. */
export function decodeEffect(type: OperationType, element: string, data: string): OperationEffect {
  const { props, set, unset, append, splice } = JSON.parse(data) as Partial<OperationEffect>;
  const effect: Writable<OperationEffect> = { type, element };
  if (props !== undefined) effect.props = props;
  if (set !== undefined) effect.set = set;
  if (unset !== undefined) effect.unset = unset;
  if (append !== undefined) effect.append = append;
  if (splice !== undefined) effect.splice = splice;
  return effect;
}
