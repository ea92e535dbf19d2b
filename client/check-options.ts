/**
 * What applications without types get wrong is named at once: it would be tried again for ever, or fail somewhere else.
 * Values are not shown where they may be secrets.
 */
import { isText } from "../shared/document/json.ts";
import type { DocumentEvents, OpenDocumentOptions } from "./options.ts";
import { documentAddress } from "./socket.ts";

type Fields = { readonly [name: string]: unknown };

/**
 * What `openDocument` and `documentRest` have in common.
 * @throws TypeError that names the option and what was expected.
 */
export function checkAddress(options: unknown): void {
  if (!isObject(options)) throw unexpected("options", "an object", options);
  const { url, documentId, token, getToken, clientId } = options;
  const servers = Array.isArray(url) ? url : [url];
  if (servers.length === 0 || !servers.every((server) => typeof server === "string"))
    throw unexpected("url", "an address of the server, or an array of at least one", url);
  for (const server of servers) documentAddress(server as string, documentId as string);
  check("token", token, (value) => typeof value === "string", "a JWT, a text");
  check("getToken", getToken, isFunction, "a function that returns a JWT");
  const isClientId = (id: unknown): boolean => isTextUpTo(255, id) && id !== "server";
  check("clientId", clientId, isClientId, 'a text of 1–255 characters, and not "server"');
}

/** @throws TypeError as `checkAddress`. */
export function checkOpenOptions(options: OpenDocumentOptions): void {
  checkAddress(options);
  const { storage, user, profile, onConflict, onVersionConflict, createWebSocket } =
    options as object as Fields;
  check("storage", storage, isStorage, "an object with the methods list, load, save, remove and claim");
  check("user", user, (value) => typeof value === "string", "a user's id, a text");
  check("profile", profile, isProfile, "{ name?, color? }: texts of 1–255 and 1–64 characters");
  check("onConflict", onConflict, (value) => value === "reject", '"reject"');
  const isAnswer = (value: unknown): boolean => value === "rebase" || value === "drop" || isFunction(value);
  check("onVersionConflict", onVersionConflict, isAnswer, '"rebase", "drop" or a function');
  check("createWebSocket", createWebSocket, isFunction, "a function");
}

const eventNames: { readonly [name in keyof DocumentEvents]: true } = {
  change: true,
  progress: true,
  status: true,
  presence: true,
  reject: true,
  conflict: true,
  resolved: true,
  conflicts: true,
  heldBack: true,
  locks: true,
  lockLost: true,
  undo: true,
  document: true,
  role: true,
  latency: true,
  error: true,
};

/** @throws TypeError for what is no event, or no listener. */
export function checkListener(name: string, listener: unknown): void {
  if (!Object.hasOwn(eventNames, name))
    throw new TypeError(
      `on: expected one of ${Object.keys(eventNames).join(", ")}, got ${JSON.stringify(name)}`,
    );
  if (!isFunction(listener)) throw unexpected(`on("${name}")`, "a function to call", listener);
}

function check(name: string, value: unknown, fits: (value: unknown) => boolean, expected: string): void {
  if (value !== undefined && !fits(value)) throw unexpected(name, expected, value);
}

function unexpected(name: string, expected: string, value: unknown): TypeError {
  const kind =
    value === null ? "null" : Array.isArray(value) ? "an array" : `a value of type ${typeof value}`;
  return new TypeError(`${name}: expected ${expected}; got ${value === undefined ? "nothing" : kind}`);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isTextUpTo(length: number, value: unknown): boolean {
  return typeof value === "string" && value.length > 0 && value.length <= length && isText(value);
}

function isProfile(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { name, color } = value;
  return (name === undefined || isTextUpTo(255, name)) && (color === undefined || isTextUpTo(64, color));
}

function isStorage(value: unknown): boolean {
  return (
    isObject(value) && ["list", "load", "save", "remove", "claim"].every((name) => isFunction(value[name]))
  );
}
