/** Webhooks: a user's own calls to a server elsewhere. What is delivered, and how: docs/webhooks.md. */
import { z } from "zod";
import { roleOf } from "../access/roles.ts";
import { type WebhookChange, type WebhookRecord, type WebhookStore, webhookEvents } from "../store/store.ts";
import { callerOf, documentFor } from "./caller.ts";
import { invalid, notFound, Problem } from "./problem.ts";
import { type App, answers } from "./route.ts";
import { docIdSchema, emptySchema, pageOf, pageSchema } from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const maxUrl = 2_000;
const url = z
  .string()
  .min(1)
  .max(maxUrl)
  .meta({ format: "uri", examples: ["https://hooks.example.com/aetherflow"] });
const events = z
  .array(z.enum(webhookEvents))
  .min(1)
  .refine((names) => new Set(names).size === names.length, "names an event twice");
const secret = z
  .string()
  .regex(/^[\x21-\x7e]{16,255}$/, "expected 16 to 255 printable ASCII characters")
  .meta({ description: "Key of the signature; made when absent." });

const createSchema = z
  .strictObject({ url, events, docId: docIdSchema.optional(), secret: secret.optional() })
  .meta({ examples: [{ url: "https://hooks.example.com/aetherflow", events: ["operations"] }] });
const changeSchema = z
  .strictObject({ url, events, secret, active: z.boolean() })
  .partial()
  .meta({ examples: [{ active: true }] });

const webhookSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    events: z.array(z.enum(webhookEvents)),
    docId: z.string().nullable().meta({ description: "Null: every document on which you have a role." }),
    active: z
      .boolean()
      .meta({ description: "False: disabled, by you or because deliveries failed for too long." }),
    createdAt: z.string(),
    disabledAt: z.string().nullable(),
    failingSince: z.string().nullable(),
    lastError: z.string().nullable(),
  })
  .meta({ id: "Webhook", description: "A webhook, without its secret." });
const createdSchema = webhookSchema.extend({ secret: z.string() }).meta({
  id: "CreatedWebhook",
  description: "A new webhook; the secret is shown this once.",
});
const params = z.object({ webhookId: z.string().meta({ format: "uuid", description: "The webhook's id." }) });

const shown = ({ owner: _owner, secret: _secret, ...webhook }: WebhookRecord) => ({
  ...webhook,
  events: [...webhook.events],
  active: webhook.disabledAt === null,
});

export function webhookRoutes(app: App, services: HttpServices, webhooks: WebhookStore): void {
  const { newId, config, makeSecret } = services;

  function checkUrl(text: string): void {
    const problem = services.webhookUrlProblem(text);
    if (problem !== undefined) throw invalid([{ path: "url", message: problem }]);
  }

  /** Somebody else's webhook is answered like one that does not exist. */
  async function own(id: string, owner: string): Promise<WebhookRecord> {
    const webhook = docIdSchema.safeParse(id).success ? await webhooks.get(id) : undefined;
    if (webhook === undefined || webhook.owner !== owner) throw absent();
    return webhook;
  }

  app.post(
    "/webhooks",
    {
      config: { needsToken: true },
      schema: {
        summary: "Be called when something happens",
        description: "Of one document (`docId`), or of all on which you have a role by their lists.",
        tags: ["webhooks"],
        body: createSchema,
        response: answers({ 201: createdSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const { body } = request;
      checkUrl(body.url);
      if (body.docId !== undefined) {
        const { document } = await documentFor(services, body.docId, caller);
        // A token's own grants end with it, and nobody holds it when an event is delivered.
        if (roleOf(document, { userId: caller.userId, expiresAt: caller.expiresAt }) === undefined)
          throw new Problem({ code: "forbidden", detail: "the document's lists do not name you" });
      }
      const created = await webhooks.create({
        id: newId(),
        owner: caller.userId,
        docId: body.docId ?? null,
        url: body.url,
        secret: body.secret ?? makeSecret(),
        events: body.events,
        maxPerOwner: config.limits.webhooksPerUser,
      });
      if (created.outcome === "too_many") {
        const details = { limit: "webhooksPerUser" };
        throw new Problem({ code: "too_many", detail: "you have as many webhooks as you may", details });
      }
      const { webhook } = created;
      return reply
        .code(201)
        .header("location", `/v1/webhooks/${webhook.id}`)
        .send({ ...shown(webhook), secret: webhook.secret });
    },
  );

  app.get(
    "/webhooks",
    {
      config: { needsToken: true },
      schema: {
        summary: "Your webhooks",
        tags: ["webhooks"],
        querystring: pageSchema,
        response: answers({ 200: pageOf(webhookSchema) }),
      },
    },
    async (request, reply) => {
      const { limit, cursor } = request.query;
      const page = await webhooks.list(callerOf(request).userId, {
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      });
      return reply.send({ items: page.items.map(shown), nextCursor: page.nextCursor });
    },
  );

  app.get(
    "/webhooks/:webhookId",
    {
      config: { needsToken: true },
      schema: {
        summary: "A webhook, and how its deliveries fare",
        tags: ["webhooks"],
        params,
        response: answers({ 200: webhookSchema }),
      },
    },
    async (request, reply) =>
      reply.send(shown(await own(request.params.webhookId, callerOf(request).userId))),
  );

  app.patch(
    "/webhooks/:webhookId",
    {
      config: { needsToken: true },
      schema: {
        summary: "Change a webhook, switch it off, or on again",
        description: "`active: false` drops what waits for it; `active: true` forgets its failures.",
        tags: ["webhooks"],
        params,
        body: changeSchema,
        response: answers({ 200: webhookSchema }),
      },
    },
    async (request, reply) => {
      const { id } = await own(request.params.webhookId, callerOf(request).userId);
      const change = Object.fromEntries(
        Object.entries(request.body).filter(([, value]) => value !== undefined),
      ) as WebhookChange;
      if (change.url !== undefined) checkUrl(change.url);
      const webhook = await webhooks.update(id, change);
      if (webhook === undefined) throw absent();
      return reply.send(shown(webhook));
    },
  );

  app.delete(
    "/webhooks/:webhookId",
    {
      config: { needsToken: true },
      schema: {
        summary: "Delete a webhook",
        tags: ["webhooks"],
        params,
        response: answers({ 204: emptySchema }),
      },
    },
    async (request, reply) => {
      const { id } = await own(request.params.webhookId, callerOf(request).userId);
      await webhooks.remove(id);
      return reply.code(204).send(null);
    },
  );
}

const absent = () => notFound("there is no such webhook of yours");
