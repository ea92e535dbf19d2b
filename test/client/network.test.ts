import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

/** What a browser's window tells about the network. */
class Network extends EventTarget {
  readonly #heard = new Set<unknown>();

  get listeners(): number {
    return this.#heard.size;
  }

  override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
    this.#heard.add(args[1]);
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget["removeEventListener"]>): void {
    this.#heard.delete(args[1]);
    super.removeEventListener(...args);
  }

  tell(type: "online" | "offline"): void {
    this.dispatchEvent(new Event(type));
  }
}

describe("a browser that says whether there is a network", () => {
  let network: Network;
  beforeEach(() => {
    network = new Network();
    vi.stubGlobal("addEventListener", network.addEventListener.bind(network));
    vi.stubGlobal("removeEventListener", network.removeEventListener.bind(network));
  });
  afterEach(() => vi.unstubAllGlobals());

  async function openLive() {
    const random = seededRandom(7);
    const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
    const world = new World(server, random);
    const { document } = world.join("ada");
    await world.drain();
    return { world, server, document };
  }

  test("[sdk/offline] without an answer the connection is left within two seconds, and comes back at once with the network", async () => {
    const { world, server, document } = await openLive();
    network.tell("offline");
    document.transact((tx) => tx.create("a", {}));
    world.clock.advance(1_900);
    expect(document.connection.state).toBe("live");
    world.unplugged = true;
    world.clock.advance(100);
    expect(document.connection).toMatchObject({ state: "reconnecting", reason: "the network is gone" });
    await world.pass(30_000);
    expect(document.connection.state).not.toBe("live");
    world.unplugged = false;
    network.tell("online");
    await world.deliver();
    expect(document.connection.state).toBe("live");
    await world.drain();
    expect([...server.elements.keys()]).toEqual(["a"]);
    expect(document.pendingCount).toBe(0);
  });

  test("[sdk/offline] a server that answers is not left: one on the same machine needs no network", async () => {
    const { world, document } = await openLive();
    const { sessionId } = document;
    for (let time = 0; time < 3; time++) {
      network.tell("offline");
      await world.pass(1_000);
      network.tell("online");
      await world.pass(3_000);
    }
    expect(document.connection.state).toBe("live");
    expect(document.sessionId).toBe(sessionId);
  });

  test("[sdk/offline] what was on its way before is no answer", async () => {
    const { world, document } = await openLive();
    world.clock.advance(5_000);
    expect(world.deliverOne()).toBe(true); // The regular ping is with the server, its answer on its way.
    world.clock.advance(1);
    network.tell("offline");
    world.server.receive = () => {};
    const latency = vi.fn();
    document.on("latency", latency);
    await world.deliver();
    expect(latency).toHaveBeenCalledOnce();
    world.clock.advance(2_000);
    expect(document.connection.state).toBe("reconnecting");
  });

  test("[sdk/close] a document that was closed hears nothing any more", async () => {
    const { world, document } = await openLive();
    expect(network.listeners).toBe(2);
    network.tell("offline");
    const closing = document.close();
    await world.deliver();
    await closing;
    expect(network.listeners).toBe(0);
    expect(world.clock.size).toBe(0);
  });
});
