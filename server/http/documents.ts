/** Documents: create, list, read, change, delete. */
import { z } from "zod";
import type { Json } from "../../shared/document/json.ts";
import type { Operation } from "../../shared/document/operation.ts";
import type { Role } from "../../shared/protocol/messages.ts";
import { documentMetadata } from "../access/document-view.ts";
import type { Identity } from "../access/identity.ts";
import { includesRole, roleOf } from "../access/roles.ts";
import { anonymousPrefix } from "../access/tokens.ts";
import type { DocumentChange, DocumentFilter, DocumentRecord, Reader } from "../store/store.ts";
import { absentFor, callerOf, documentFor, editRefusal, originOf, requireRole } from "./caller.ts";
import { editAnswer } from "./edit-answer.ts";
import { invalid, Problem, unauthenticated } from "./problem.ts";
import { type App, answers, docIdOf, ifMatch } from "./route.ts";
import {
  createDocumentSchema,
  documentSchema,
  elementsProblem,
  listDocumentsSchema,
  ownerFields,
  pageOf,
  patchDocumentSchema,
} from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const params = z.object({ docId: z.string().meta({ format: "uuid" }) });
const ifMatchHeader = z.looseObject({
  "if-match": z
    .string()
    .optional()
    .meta({ description: 'The `metadataVersion` that is to be changed, such as `"3"`.' }),
});

export function documentRoutes(app: App, services: HttpServices): void {
  const { store, edits, newId, config } = services;
  const bodyLimit = config.limits.maxBodyBytes || Number.MAX_SAFE_INTEGER;

  app.post(
    "/documents",
    {
      config: { needsToken: true, bodyLimitKey: "maxBodyBytes" },
      bodyLimit,
      schema: {
        summary: "Create a document",
        tags: ["documents"],
        body: createDocumentSchema,
        response: answers({ 201: documentSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const { elements, id = newId(), ...fields } = request.body;
      const problem = elements === undefined ? undefined : elementsProblem(elements);
      if (problem !== undefined) throw invalidElements(problem);
      // `autoResolveConflicts: false`: people choose, unless the creator says otherwise.
      const policy = config.manager.autoResolveConflicts ? "lww" : "manual";
      const created = await store.documents.create({
        conflictPolicy: policy,
        ...present(fields),
        id,
        createdBy: caller.userId,
      });
      if (created.outcome === "taken")
        throw new Problem({ code: "taken", detail: "a document with this id exists" });
      let { document } = created;
      const ops = Object.entries(elements ?? {}).map(
        ([element, props]): Operation => ({ id: newId(), type: "create", element, props }),
      );
      if (ops.length > 0) {
        const origin = originOf(request, caller, newId(), undefined, true);
        const authorise = (now: typeof document) => editRefusal(now, caller);
        const result = await edits.submit(id, { origin, authorise, ops, base: 0 });
        // A document without the content that it was to have must not stay. `unavailable` may be stored: it does, and so
        // does what somebody else has written into it meanwhile.
        if (!result.ok && result.code !== "unavailable") {
          await store.documents.purge(id, { onlyAtVersion: 0 });
          edits.documentChanged(id);
        }
        editAnswer(result);
        document = (await store.documents.get(id)) ?? document;
      }
      return reply
        .code(201)
        .header("location", `/v1/documents/${id}`)
        .header("etag", `"${document.metadataVersion}"`)
        .send(documentMetadata(document, "owner"));
    },
  );

  app.get(
    "/documents",
    {
      schema: {
        summary: "List documents that the caller may read",
        description: "Further filters: `property.NAME=VALUE`, the value as JSON or as bare text.",
        tags: ["documents"],
        querystring: listDocumentsSchema,
        response: answers({ 200: pageOf(documentSchema) }),
      },
    },
    async (request, reply) => {
      const { identity, query } = request;
      // Without a token there is nothing to read but what is public.
      if (identity === undefined && query.public !== "true") throw unauthenticated();
      const { limit, cursor, sort, order = sort === "name" ? "asc" : "desc" } = query;
      const page = await store.documents.list(
        filterOf(query, identity),
        { by: sort, order },
        { limit, ...(cursor === undefined ? {} : { cursor }) },
      );
      const items = page.items.flatMap((document) => {
        const role = roleOf(document, identity);
        return role === undefined ? [] : [documentMetadata(document, role)];
      });
      return reply.send({ items, nextCursor: page.nextCursor });
    },
  );

  app.get(
    "/documents/:docId",
    {
      schema: {
        summary: "A document's metadata",
        tags: ["documents"],
        params,
        response: answers({ 200: documentSchema }),
      },
    },
    async (request, reply) => {
      const { identity } = request;
      const { document, role } = await documentFor(services, docIdOf(request.params, identity), identity);
      return reply.header("etag", `"${document.metadataVersion}"`).send(documentMetadata(document, role));
    },
  );

  app.patch(
    "/documents/:docId",
    {
      config: { needsToken: true },
      schema: {
        summary: "Change metadata (editors), permissions, policy or state (owners)",
        tags: ["documents"],
        params,
        headers: ifMatchHeader,
        body: patchDocumentSchema,
        response: answers({ 200: documentSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { body } = request;
      const expected = expectedVersion(request.headers["if-match"]);
      const needed = ownerFields.some((field) => body[field] !== undefined) ? "owner" : "editor";
      const document = await change(docId, caller, {
        needed,
        expected,
        deleted: true,
        fields: present(body),
      });
      if (document === undefined) throw absentFor(caller);
      // Who gives a document away sees it once more.
      return reply
        .header("etag", `"${document.metadataVersion}"`)
        .send(documentMetadata(document, roleOf(document, caller) ?? "viewer"));
    },
  );

  app.delete(
    "/documents/:docId",
    {
      config: { needsToken: true },
      schema: {
        summary: "Delete a document (owners), with purge=true for good",
        tags: ["documents"],
        params,
        headers: ifMatchHeader,
        querystring: z.object({ purge: z.enum(["true", "false"]).optional() }),
        response: answers({ 204: z.null() }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const purge = request.query.purge === "true";
      const expected = expectedVersion(request.headers["if-match"]);
      // Closed to edits before it is purged, because the log goes in parts. Where an earlier purge broke off, it is.
      const document = await change(docId, caller, {
        needed: "owner",
        expected,
        deleted: purge,
        fields: { state: "deleted" },
      });
      if (document === undefined && !purge) throw absentFor(caller);
      if (purge) {
        await store.documents.purge(docId);
        edits.documentChanged(docId);
      }
      return reply.code(204).send(null);
    },
  );

  /**
   * Changes metadata exactly as it was when the caller's role was looked at, and tells the rooms. Undefined: the document
   * is gone or being purged.
   */
  async function change(
    docId: string,
    caller: Identity,
    wanted: Change,
  ): Promise<DocumentRecord | undefined> {
    const { needed, expected, deleted, fields } = wanted;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const { document, role } = await documentFor(services, docId, caller, { deleted });
      requireRole(role, needed);
      const { metadataVersion } = document;
      if (expected !== undefined && expected !== metadataVersion) throw mismatch(metadataVersion);
      if (Object.keys(fields).length === 0) return document;
      const result = await store.documents.update(docId, fields, caller.userId, metadataVersion);
      if (result.outcome === "updated") {
        await edits.metadataChanged(document, result.document);
        return result.document;
      }
      if (result.outcome === "missing") return undefined;
      // `mismatch`: somebody was faster. Without a precondition that is nothing the caller asked about.
    }
    throw new Problem({ code: "unavailable", detail: "the document is being changed by many; try again" });
  }
}

interface Change {
  readonly needed: Role;
  readonly expected: number | undefined;
  /** Whether an owner may do it to a deleted document. */
  readonly deleted: boolean;
  readonly fields: DocumentChange;
}

/** How often a change of metadata is tried against others' changes. */
const maxAttempts = 5;

const mismatch = (current: number) =>
  new Problem({
    code: "version_mismatch",
    detail: `the document is at metadata version ${current}`,
    details: { metadataVersion: current },
  });

function expectedVersion(header: string | undefined): number | undefined {
  const expected = ifMatch(header);
  if (expected === "invalid")
    throw invalid([{ path: "If-Match", message: 'expected one version in quotes, such as "3"' }]);
  return expected;
}

export function invalidElements({
  path,
  message,
}: {
  readonly path: string;
  readonly message: string;
}): Problem {
  return new Problem({ code: "invalid_operation", detail: `${path}: ${message}`, details: { path } });
}

/** The fields that are there: `exactOptionalPropertyTypes` tells an absent field from one that is undefined. */
function present<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function filterOf(
  query: z.output<typeof listDocumentsSchema>,
  identity: Identity | undefined,
): DocumentFilter {
  const { type, state, createdBy, owner, user, activeUser, tag, q } = query;
  const properties: [string, Json][] = [];
  for (const [name, value] of Object.entries(query)) {
    if (!name.startsWith("property.")) continue;
    if (typeof value !== "string") throw invalid([{ path: name, message: "give it once" }]);
    properties.push([name.slice("property.".length), readProperty(value)]);
  }
  // A deleted document is nobody's to read; its owner finds it here in order to bring it back.
  if (state === "deleted" && (identity === undefined || (owner !== undefined && owner !== identity.userId))) {
    return { state, owner: anonymousPrefix };
  }
  return {
    ...present({
      type,
      state,
      createdBy,
      owner: state === "deleted" ? identity?.userId : owner,
      user,
      activeUser,
      tag,
      text: q,
    }),
    // Not one by one: a property named `__proto__` would be none.
    ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }),
    ...(query.public === undefined ? {} : { public: query.public === "true" }),
    readableBy: readerOf(identity),
  };
}

function readerOf(identity: Identity | undefined): Reader {
  const granted = [...(identity?.docs ?? [])];
  return {
    // No user id begins like this, so it is on nobody's list.
    user: identity?.userId ?? anonymousPrefix,
    docIds: granted.map(([docId]) => docId),
    editable: granted.filter(([, role]) => includesRole(role, "editor")).map(([docId]) => docId),
  };
}

/** A property's value in a query: JSON where it is some (`3`, `true`, `"3"`), else the text itself. */
function readProperty(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
