import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { z } from "zod";
import type { Identity } from "../access/identity.ts";
import { absentFor } from "./caller.ts";
import { docIdSchema, problemSchema } from "./schemas.ts";

/** The application with request types that follow from the schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** The answers of a route for the OpenAPI document: the good ones, and a problem for all others. */
export function answers(good: { readonly [status: number]: z.ZodType }): {
  readonly [status: string]: z.ZodType;
} {
  return { ...good, default: problemSchema };
}

/** A document's id in a path. What is none cannot exist: answered like an absent document. */
export function docIdOf(params: { readonly docId: string }, identity: Identity | undefined): string {
  if (!docIdSchema.safeParse(params.docId).success) throw absentFor(identity);
  return params.docId;
}

/** The version in a precondition `If-Match: "3"`; undefined when there is none, `invalid` when it is none. */
export function ifMatch(header: string | undefined): number | "invalid" | undefined {
  if (header === undefined) return undefined;
  const version = Number(/^\s*"(\d{1,16})"\s*$/.exec(header)?.[1] ?? Number.NaN);
  return Number.isSafeInteger(version) ? version : "invalid";
}
