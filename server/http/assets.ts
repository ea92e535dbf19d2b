/**
 * Images and files of a document by the SHA-256 of their content: put once, never changed, read with the document's
 * rights. What somebody uploaded is never trusted: `nosniff` and a sandbox on every answer, and only kinds that a
 * browser shows without running anything are shown in place.
 */
import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { Identity } from "../access/identity.ts";
import type { DocumentRecord } from "../store/store.ts";
import { absentFor, callerOf, documentFor, editRefusal } from "./caller.ts";
import { invalid, notFound, Problem, unsupportedMediaType } from "./problem.ts";
import { type App, answers, docIdOf } from "./route.ts";
import { binarySchema, emptySchema } from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const params = z.object({
  docId: z.string().meta({ format: "uuid" }),
  sha256: z.string().meta({ description: "SHA-256 of the content, 64 lower-case hexadecimal digits." }),
});
const hash = /^[0-9a-f]{64}$/;

/** `type/subtype`, at most with a charset: everything else of a media type is the uploader's to abuse. */
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:; ?charset=[\w-]+)?$/;
const maxMediaType = 255;
const mediaTypeExpected = "a media type such as image/png";
const unknownType = "application/octet-stream";
const shownInPlace = /^(?:image\/(?!svg)|audio\/|video\/|text\/plain|application\/pdf)/;

/** How often a put is authorised again when the document's metadata moved meanwhile. */
const maxAttempts = 5;

/** In a scope of its own: here a body is bytes of any type. */
export function assetRoutes(app: App, services: HttpServices): void {
  const { store, config } = services;
  const { maxAssetBytes, maxAssetsBytesPerDocument } = config.limits;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));

  /** The document that the caller may edit now. */
  async function editable(docId: string, caller: Identity): Promise<DocumentRecord> {
    const { document } = await documentFor(services, docId, caller);
    const refusal = editRefusal(document, caller);
    if (refusal !== undefined) throw new Problem({ code: refusal.code, detail: refusal.message });
    return document;
  }

  app.put(
    "/documents/:docId/assets/:sha256",
    {
      config: { needsToken: true, bodyLimitKey: "maxAssetBytes", mediaType: mediaTypeExpected },
      bodyLimit: maxAssetBytes || Number.MAX_SAFE_INTEGER,
      // Before a body of megabytes is taken in.
      onRequest: async (request) => {
        const { docId } = request.params as { readonly docId: string };
        const caller = callerOf(request);
        await editable(docIdOf({ docId }, caller), caller);
      },
      schema: {
        summary: "Store an image or a file under the hash of its content",
        description:
          "The body is the raw content, `Content-Type` its media type. Repeating a PUT is harmless; the first media type stays.",
        tags: ["assets"],
        params,
        consumes: [unknownType],
        body: binarySchema,
        response: answers({ 204: emptySchema }),
      },
      validatorCompiler: () => (value: unknown) => ({ value }),
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const { docId, sha256 } = request.params;
      const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
      const contentType = contentTypeOf(request);
      if (!hash.test(sha256))
        throw invalid([{ path: "sha256", message: "expected 64 lower-case hexadecimal digits" }]);
      if (createHash("sha256").update(body).digest("hex") !== sha256)
        throw invalid([{ path: "sha256", message: "is not the SHA-256 of the body" }]);
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        const { metadataVersion } = await editable(docId, caller);
        const { outcome } = await store.assets.put({
          docId,
          sha256,
          contentType,
          body,
          createdBy: caller.userId,
          metadataVersion,
          maxBytesPerDocument: maxAssetsBytesPerDocument,
        });
        if (outcome === "stored" || outcome === "kept") return reply.code(204).send(null);
        if (outcome === "missing") throw absentFor(caller);
        if (outcome === "too_large") {
          const detail = `the document's assets may take ${maxAssetsBytesPerDocument} bytes together`;
          throw new Problem({ code: "too_large", detail, details: { limit: "maxAssetsBytesPerDocument" } });
        }
      }
      throw new Problem({ code: "unavailable", detail: "the document is being changed by many; try again" });
    },
  );

  app.get(
    "/documents/:docId/assets/:sha256",
    {
      schema: {
        summary: "An image or a file",
        tags: ["assets"],
        params,
        produces: [unknownType],
        response: answers({ 200: binarySchema }),
      },
    },
    async (request, reply) => {
      const { identity } = request;
      const docId = docIdOf(request.params, identity);
      const { sha256 } = request.params;
      await documentFor(services, docId, identity);
      const etag = `"${sha256}"`;
      const absent = () => notFound("the document has no such asset");
      if (!hash.test(sha256)) throw absent();
      const headers = {
        etag,
        "cache-control": "private, max-age=31536000, immutable",
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
      };
      if (request.headers["if-none-match"] === etag) {
        if (!(await store.assets.has(docId, sha256))) throw absent();
        return reply.code(304).headers(headers).send();
      }
      const asset = await store.assets.get(docId, sha256);
      if (asset === undefined) throw absent();
      const disposition = shownInPlace.test(asset.contentType) ? "inline" : "attachment";
      return reply
        .headers({ ...headers, "content-disposition": `${disposition}; filename="${sha256}"` })
        .type(asset.contentType)
        .send(Buffer.from(asset.body.buffer, asset.body.byteOffset, asset.body.length));
    },
  );
}

function contentTypeOf(request: FastifyRequest): string {
  const header = request.headers["content-type"]?.trim() ?? unknownType;
  if (header.length > maxMediaType || !mediaType.test(header)) throw unsupportedMediaType(mediaTypeExpected);
  return header.toLowerCase();
}
