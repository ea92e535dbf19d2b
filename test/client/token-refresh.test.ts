import { describe, expect, test } from "vitest";
import { readToken } from "../../client/token.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

/** The model's clock says this at every welcome. */
const serverNow = Date.parse("2026-01-31T12:00:00.000Z") / 1000;

function tokenOf(claims: object): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
}

async function start(getToken: () => string | Promise<string>) {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
  const world = new World(server, random);
  const sent: string[] = [];
  const answers: ("ok" | "unauthenticated" | "unavailable")[] = [];
  server.auth = (session, { requestId, token }) => {
    sent.push(token);
    const code = answers.shift() ?? "ok";
    if (code === "ok") session.send({ type: "result", requestId, ok: true });
    else session.send({ type: "result", requestId, ok: false, code, message: code });
  };
  const peer = world.join("ann", { getToken });
  await world.drain();
  return { world, sent, answers, peer };
}

describe("a token that expires", () => {
  test("[sdk/auth] the next one is sent at four fifths of its life by the server's clock, again and again", async () => {
    let asked = 0;
    const { world, sent, peer } = await start(() => tokenOf({ exp: serverNow + 100 * ++asked, n: asked }));
    const from = world.clock.now();
    await world.pass(79_000 - from, 1_000);
    expect(sent).toEqual([]);
    await world.pass(2_000, 1_000);
    expect(sent.map((token) => readToken(token).exp)).toEqual([serverNow + 200]);
    // 120 s were left of the second then.
    await world.pass(97_000, 1_000);
    expect(sent.length).toBe(2);
    expect(peer.errors).toEqual([]);
    expect(peer.document.connection.state).toBe("live");
  });

  test("[sdk/auth] no token, or the same one, is asked for again; an outage is waited for", async () => {
    let asked = 0;
    const { world, sent, answers, peer } = await start(() => {
      asked += 1;
      if (asked === 2) throw new Error("offline");
      return tokenOf({ exp: serverNow + (asked < 4 ? 100 : 1_000) });
    });
    answers.push("unavailable");
    await world.pass(95_000, 1_000);
    expect(asked).toBe(4);
    expect(sent.length).toBe(2);
    expect(peer.errors.map(({ message }) => message)).toEqual(["no fresh token"]);
  });

  test("[sdk/auth] a fresh token that is refused leads to a reconnect", async () => {
    let asked = 0;
    const { world, sent, answers, peer } = await start(() => tokenOf({ exp: serverNow + 100, n: ++asked }));
    const reasons: string[] = [];
    peer.document.on("status", (state) => {
      if (state.state === "reconnecting") reasons.push(state.reason);
    });
    answers.push("unauthenticated");
    await world.pass(82_000, 1_000);
    await world.drain();
    expect(sent.length).toBe(1);
    expect(reasons).toEqual(["the fresh token was refused"]);
    expect(asked).toBe(3);
  });

  test("[sdk/auth] what is no JWT, or never expires, is left alone", async () => {
    expect(readToken("opaque")).toEqual({});
    expect(readToken("a.%%%.c")).toEqual({});
    expect(readToken(tokenOf({ sub: "Zoë" }))).toEqual({ sub: "Zoë" });
    const { world, sent } = await start(() => tokenOf({ sub: "ann" }));
    await world.pass(200_000, 10_000);
    expect(sent).toEqual([]);
  });
});
