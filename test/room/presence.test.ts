import { expect, it } from "vitest";
import type { PresenceNews } from "../../server/fanout/news.ts";
import type { Member } from "../../server/room/member.ts";
import { RoomPresence } from "../../server/room/presence.ts";

const frameMs = 1;
const session = (sessionId: string) => ({
  sessionId,
  clientId: `client-${sessionId}`,
  user: { id: `user-${sessionId}` },
  role: "editor" as const,
  joinedAt: "2026-01-01T00:00:00.000Z",
});

function open() {
  const published: PresenceNews[] = [];
  let others = 0;
  const presence = new RoomPresence({
    docId: "document",
    frameMs,
    publish: (news) => published.push(news),
    onOthers: () => {
      others += 1;
    },
  });
  const ada: Member = {
    author: { user: "user-ada", client: "client-ada" },
    info: session("ada"),
    deliver: () => undefined,
    deliverEphemeral: () => undefined,
    documentChanged: () => undefined,
    close: () => undefined,
  };
  presence.join(ada, null);
  return { presence, published, ada, others: () => others };
}

it("[presence/others] there may be others until the live sessions were read twice, or while one is heard of", () => {
  const { presence } = open();
  expect(presence.hasOthers).toBe(true);
  presence.reconcile([], 0);
  expect(presence.hasOthers).toBe(true);
  presence.reconcile([], 0);
  expect(presence.hasOthers).toBe(false);
  presence.hear({ kind: "presence", docId: "document", joined: [{ ...session("bob"), presence: null }] }, 0);
  expect(presence.hasOthers).toBe(true);
  presence.hear({ kind: "presence", docId: "document", left: ["bob"] }, 0);
  expect(presence.hasOthers).toBe(false);
  presence.close();
});

it("[presence/others] states are told to nobody where nobody is, and whoever comes is told all of them", async () => {
  const { presence, published, ada, others } = open();
  presence.reconcile([], 0);
  presence.reconcile([], 0);
  presence.setState(ada, { at: 1 });
  // Who is there is told all the same: whoever opens the document next has to hear of it.
  await expect.poll(() => published.length).toBe(1);
  expect(published[0]?.joined).toHaveLength(1);
  expect(published[0]?.states).toBeUndefined();
  expect(others()).toBe(0);
  presence.hear({ kind: "presence", docId: "document", joined: [{ ...session("bob"), presence: null }] }, 0);
  presence.hear({ kind: "presence", docId: "document", joined: [{ ...session("eve"), presence: null }] }, 0);
  expect(others()).toBe(1);
  await expect.poll(() => published.at(-1)?.states).toEqual({ ada: [2, { at: 1 }] });
  presence.close();
});
