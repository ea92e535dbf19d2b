/** Turns whatever ends a request into a problem document; logs, once, what is the server's own fault. */
import type { FastifyError, FastifyInstance, FastifyReply } from "fastify";
import { type ProblemParts, problemAnswer } from "../../shared/protocol/problem.ts";
import type { Logger } from "../observability/log.ts";
import { SchemaOutdated, StoreRefused, StoreUnavailable, UnreadableCursor } from "../store/store.ts";
import { notFound, Problem, unreadableCursor, unsupportedMediaType } from "./problem.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The key under `limits` that bounds the body; `maxMessageBytes` when absent. */
    bodyLimitKey?: "maxBodyBytes" | "maxAssetBytes";
    /** What the body's Content-Type has to be, for people; `application/json` when absent. */
    mediaType?: string;
  }
}

/** Sends a problem document. */
export function sendProblem(reply: FastifyReply, parts: ProblemParts): FastifyReply {
  const { status, headers, body } = problemAnswer(parts);
  return reply.code(status).headers(headers).serializer(JSON.stringify).send(body);
}

/** Installs the handlers for errors and for routes that do not exist. */
export function handleErrors(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const found = problemOf(error, request.routeOptions.config.mediaType);
    const limit = request.routeOptions.config.bodyLimitKey ?? "maxMessageBytes";
    const tooLarge = error.code === "FST_ERR_CTP_BODY_TOO_LARGE";
    const parts = tooLarge ? { ...found, details: { limit } } : found;
    if (parts.code === "internal" || parts.code === "unavailable") {
      const fields = { method: request.method, route: request.routeOptions.url, err: error };
      if (parts.code === "internal") log.error(fields, "request failed");
      else if (error instanceof SchemaOutdated)
        log.warn(fields, "request not answered: the database's schema is not up to date");
      else log.warn(fields, "request not answered: the database did not answer");
    }
    return sendProblem(reply, parts);
  });
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, notFound("there is nothing here").parts));
}

/** What an error means to the client. Messages of unknown errors stay inside. */
export function problemOf(
  error: Error & { readonly code?: unknown; readonly statusCode?: unknown },
  mediaType = "application/json",
): ProblemParts {
  if (error instanceof Problem) return error.parts;
  if (error instanceof SchemaOutdated) return { code: "unavailable", detail: error.message };
  if (error instanceof StoreUnavailable)
    return { code: "unavailable", detail: "the database did not answer; try again" };
  if (error instanceof UnreadableCursor) return unreadableCursor().parts;
  if (error instanceof StoreRefused)
    return { code: "invalid", detail: "the database refused a value of the request" };
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return { code: "too_large", detail: "the body is too large" };
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return unsupportedMediaType(mediaType).parts;
    case "FST_ERR_CTP_INVALID_JSON_BODY":
      return { code: "invalid", detail: "the body is not valid JSON" };
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return { code: "invalid", detail: "the body is not as long as Content-Length says" };
    case "FST_ERR_BAD_URL":
      return { code: "invalid", detail: "the address is not valid" };
    default: {
      const status = typeof error.statusCode === "number" ? error.statusCode : 500;
      if (status === 404) return { code: "not_found", detail: "there is nothing here" };
      if (status >= 400 && status < 500) return { code: "invalid", detail: "the request is not valid" };
      return { code: "internal", detail: "something went wrong; it has been logged" };
    }
  }
}
