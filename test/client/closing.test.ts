import { describe, expect, test } from "vitest";
import type { DocumentEvents, DocumentReplica, OpenDocumentOptions } from "../../client/index.ts";
import type { SessionInfo } from "../../shared/protocol/messages.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

/** The model's clock says this at every welcome. */
const serverNow = Date.parse("2026-01-31T12:00:00.000Z") / 1000;

function tokenOf(claims: object): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
}

/** Who else is there in each welcome. */
const bystander: SessionInfo = {
  sessionId: "other",
  clientId: "other",
  user: { id: "other" },
  role: "editor",
  presence: null,
  joinedAt: "2026-01-31T12:00:00.000Z",
};

/** Opens a document that its application closes from within a listener, at the first event that it looks for. */
async function closedAt<Name extends keyof DocumentEvents>(
  name: Name,
  wanted: (event: DocumentEvents[Name], document: DocumentReplica) => boolean,
  options: Partial<OpenDocumentOptions> = {},
): Promise<{ world: World; document: DocumentReplica }> {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
  const world = new World(server, random);
  // Something to show and to time: others' sessions and locks.
  server.locks.handle(
    { id: "other", user: "other", client: "other" },
    { type: "lock", requestId: "r", action: "acquire", element: "locked" },
    0,
  );
  const open = server.open.bind(server);
  server.open = (session) => {
    const send = session.send.bind(session);
    session.send = (message) =>
      send(message.type === "welcome" ? { ...message, sessions: [bystander] } : message);
    open(session);
  };
  const { document } = world.join("ann", options);
  let closed = false;
  document.on(name, (event) => {
    if (closed || !wanted(event, document)) return;
    closed = true;
    document.presence.set({ cursor: [1, 2] });
    void document.close();
  });
  await world.deliver();
  expect(closed).toBe(true);
  expect(document.connection.state).toBe("closed");
  return { world, document };
}

describe("a listener may close the document", () => {
  const now = (state: string) => (event: { readonly state: string }) => event.state === state;
  for (const state of ["syncing", "live"]) {
    test(`[sdk/close] at \`${state}\`: no timer is left, and no token is asked for any more`, async () => {
      let asked = 0;
      const getToken = (): string => {
        asked += 1;
        // Past its end already: the next one is due at once.
        return tokenOf({ exp: serverNow - 10, n: asked });
      };
      const { world } = await closedAt("status", now(state), { getToken });
      const before = asked;
      expect(world.clock.size).toBe(0);
      await world.pass(5_000);
      expect(asked).toBe(before);
      expect(world.clock.size).toBe(0);
    });
  }

  for (const name of ["document", "role", "presence", "locks"] as const) {
    test(`[sdk/close] at its first \`${name}\`: no timer is left`, async () => {
      const { world } = await closedAt(name, () => true);
      expect(world.clock.size).toBe(0);
      await world.pass(5_000);
      expect(world.clock.size).toBe(0);
    });
  }
});
