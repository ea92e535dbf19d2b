/** A document's history and conflicts over REST: thin calls, one each, with the SDK's tokens and errors. */
import type { Properties } from "../shared/document/json.ts";
import type { OperationStatus, OperationType, SequencedOperation } from "../shared/document/operation.ts";
import type { ErrorCode } from "../shared/protocol/codes.ts";
import type { ConflictInfo, ResolveChoice } from "../shared/protocol/messages.ts";
import { checkAddress } from "./check-options.ts";
import { pathSegment } from "./path-segment.ts";

/** How to reach a document. */
export interface RestOptions {
  /** Address of the server, or of several instances of it: when one cannot be reached, the next is tried. */
  readonly url: string | readonly [string, ...string[]];
  readonly documentId: string;
  readonly token?: string;
  /** Asked before each call, and once more when the server says that its token is none. */
  readonly getToken?: () => string | Promise<string>;
  /** Whose locks count as the caller's own, with the user; default: `rest`. What the server composes is written as `server`. */
  readonly clientId?: string;
  /** Default: the host's. */
  readonly fetch?: typeof globalThis.fetch;
}

/** The whole content at one version. */
export interface ContentAt<Element extends object = Properties> {
  readonly version: number;
  readonly elements: { readonly [id: string]: Element };
}

/** A named moment. */
export interface NamedVersion {
  readonly name: string;
  readonly version: number;
  readonly createdAt: string;
  readonly createdBy: string;
}

/** What an edit over REST came to. */
export interface EditResult {
  readonly version: number;
  readonly versions: readonly number[];
  readonly statuses: readonly OperationStatus[];
  readonly duplicate: boolean;
}

/** Who wrote each property last. */
export interface Blame {
  readonly version: number;
  readonly elements: {
    readonly [id: string]: {
      readonly [property: string]: {
        readonly version: number;
        readonly user: string;
        readonly client: string;
        readonly at: string;
      };
    };
  };
}

/** A part of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** Where in a list, and how much. */
export interface PageOptions {
  /** 1–200. */
  readonly limit?: number;
  readonly cursor?: string;
}

/** Which operations of the log; the bounds are included. */
export interface OperationFilter extends PageOptions {
  readonly from?: number;
  readonly to?: number;
  readonly user?: string;
  readonly type?: OperationType;
  readonly status?: OperationStatus;
  readonly element?: string;
  /** RFC 3339. */
  readonly fromTime?: string;
  readonly toTime?: string;
  /** Default: `asc`, the oldest first. */
  readonly order?: "asc" | "desc";
}

/** A call was refused: the server's problem document (RFC 9457). */
export class RestError extends Error {
  readonly status: number;
  /** The server's code; undefined when the answer was no problem document (a proxy's, say). */
  readonly code: ErrorCode | undefined;
  readonly details: { readonly [key: string]: unknown } | undefined;
  /** What of the request is wrong, with `invalid`. */
  readonly errors: readonly { readonly path: string; readonly message: string }[];

  constructor(status: number, problem: { readonly [key: string]: unknown }) {
    const { title, detail, code, details, errors } = problem;
    super(String(detail ?? title ?? `HTTP ${status}`));
    this.name = "RestError";
    this.status = status;
    this.code = code as ErrorCode | undefined;
    this.details = details as RestError["details"];
    this.errors = Array.isArray(errors) ? errors : [];
  }
}

/** One document over REST. Every method rejects with `RestError`, or with what `fetch` throws where nothing answers. */
export interface DocumentRest<Element extends object = Properties> {
  /** Now, or at an earlier version (`base_too_old` below the retained log). */
  contentAt(version?: number): Promise<ContentAt<Element>>;
  /** The retained log. */
  operations(filter?: OperationFilter): Promise<Page<SequencedOperation>>;
  versions(page?: PageOptions): Promise<Page<NamedVersion>>;
  /** Names a version; default: the current one. */
  nameVersion(name: string, version?: number): Promise<NamedVersion>;
  deleteVersion(name: string): Promise<void>;
  /** Brings an earlier content back, as new operations. */
  restore(version: number): Promise<EditResult>;
  /** Takes back operations `from`–`to` (bounds included), of one user or client where given, but for what others wrote since. */
  revert(range: {
    readonly from: number;
    readonly to: number;
    readonly user?: string;
    readonly client?: string;
  }): Promise<EditResult>;
  /** Of one element, or of all. */
  blame(element?: string): Promise<Blame>;
  /** All records in that state, however many pages they are. For `board.conflicts.load`. */
  conflicts(filter?: { readonly state?: "unresolved" | "resolved" }): Promise<readonly ConflictInfo[]>;
  /** A record with its operations whole. */
  conflict(
    conflictId: string,
  ): Promise<Omit<ConflictInfo, "operations"> & { readonly operations: readonly SequencedOperation[] }>;
  resolveConflict(conflictId: string, choose: ResolveChoice, base?: number): Promise<ConflictInfo>;
}

/** @see DocumentRest */
export function documentRest<Element extends object = Properties>(
  options: RestOptions,
): DocumentRest<Element> {
  checkAddress(options);
  const { documentId, clientId } = options;
  const documentPath = `/v1/documents/${pathSegment("documentId", documentId)}`;
  const roots = (typeof options.url === "string" ? [options.url] : options.url).map(
    (server) => `${server.replace(/^ws/, "http").replace(/\/+$/, "")}${documentPath}`,
  );
  const author = clientId === undefined ? {} : { clientId };
  let current = 0;
  /** Something has come from `current`. */
  let reached = false;

  /** Where nothing answers, a read goes on to the next address. */
  const send = async (path: string, { method, body }: Sent): Promise<Response> => {
    // A write whose answer is lost may have been carried out: it is not repeated elsewhere, so an address is found before.
    if (method !== "GET" && roots.length > 1 && !reached)
      await (await send("", { method: "GET" })).body?.cancel();
    const token = options.getToken === undefined ? options.token : await options.getToken();
    for (let left = roots.length; ; ) {
      try {
        const response = await (options.fetch ?? globalThis.fetch)(`${roots[current]}${path}`, {
          method,
          headers: {
            accept: "application/json",
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(body === undefined ? {} : { "content-type": "application/json" }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        reached = true;
        return response;
      } catch (error) {
        reached = false;
        current = (current + 1) % roots.length;
        left -= 1;
        if (method !== "GET" || left === 0) throw error;
      }
    }
  };
  const call = async (method: string, path: string, query: Query, body?: unknown): Promise<unknown> => {
    const request = { method, ...(body === undefined ? {} : { body }) };
    let response = await send(`${path}${queryOf(query)}`, request);
    // Expired between asking for it and now: nothing was done.
    if (response.status === 401 && options.getToken !== undefined)
      response = await send(`${path}${queryOf(query)}`, request);
    const text = await response.text();
    if (!response.ok) throw new RestError(response.status, parse(text));
    return text === "" ? undefined : JSON.parse(text);
  };
  const get = (path: string, query: Query = {}): Promise<unknown> => call("GET", path, query);
  const post = (path: string, body: unknown): Promise<unknown> => call("POST", path, {}, body);

  return {
    contentAt: async (version) => (await get("/content", { version })) as ContentAt<Element>,
    operations: async (filter = {}) => (await get("/operations", { ...filter })) as Page<SequencedOperation>,
    versions: async (page = {}) => (await get("/versions", { ...page })) as Page<NamedVersion>,
    nameVersion: async (name, version) =>
      (await post("/versions", { name, ...(version === undefined ? {} : { version }) })) as NamedVersion,
    deleteVersion: async (name) => void (await call("DELETE", `/versions/${pathSegment("name", name)}`, {})),
    restore: async (version) => (await post("/restore", { version, ...author })) as EditResult,
    revert: async (range) => (await post("/revert", { ...range, ...author })) as EditResult,
    blame: async (element) => (await get("/blame", { element })) as Blame,
    conflicts: async ({ state } = {}) => {
      const all: ConflictInfo[] = [];
      let cursor: string | undefined;
      do {
        const page = (await get("/conflicts", { state, cursor, limit: 200 })) as Page<ConflictInfo>;
        all.push(...page.items);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      return all;
    },
    conflict: async (conflictId) =>
      (await get(`/conflicts/${pathSegment("conflictId", conflictId)}`)) as Awaited<
        ReturnType<DocumentRest["conflict"]>
      >,
    resolveConflict: async (conflictId, choose, base) =>
      (await post(`/conflicts/${pathSegment("conflictId", conflictId)}/resolve`, {
        choose,
        ...(base === undefined ? {} : { base }),
        ...author,
      })) as ConflictInfo,
  };
}

/** A request apart from its address. */
interface Sent {
  readonly method: string;
  readonly body?: unknown;
}

type Query = { readonly [name: string]: string | number | undefined };

function queryOf(query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

function parse(text: string): { readonly [key: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
