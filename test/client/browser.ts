/** Ann's browser: tabs that share a storage, and die at any moment. */
import {
  type DocumentReplica,
  memoryStorage,
  type OpenDocumentOptions,
  type ReplicaStorage,
} from "../../client/index.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { DyingHost } from "./dying-host.ts";
import { type ModelFaults, ModelServer } from "./model-server.ts";
import { type Peer, World } from "./world.ts";

/** No faults. */
export const quiet: ModelFaults = { unavailable: 0, rateLimited: 0, snapshot: 0 };

/** One open document in it. */
export interface Tab {
  readonly peer: Peer;
  readonly board: DocumentReplica;
  readonly host: DyingHost;
}

export class Browser {
  /** What tabs that are opened from now on store in. */
  storage: ReplicaStorage = memoryStorage();
  /** Writes take their time. */
  slow = false;
  readonly world: World;
  readonly random: SeededRandom;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.random = random;
  }

  /** Another tab of Ann's. @param as whom the server takes her for. */
  open(options: Partial<OpenDocumentOptions> = {}, as: string | (() => string) = "ann"): Tab {
    return this.openUnnamed({ user: "ann", ...options }, as);
  }

  /** As `open`, where the application does not say whose it is. */
  openUnnamed(options: Partial<OpenDocumentOptions> = {}, as: string | (() => string) = "ann"): Tab {
    const host = new DyingHost();
    const slow = async (): Promise<void> => {
      for (let rounds = this.slow ? this.random.between(0, 3) : 0; rounds > 0; rounds--)
        await this.world.settle();
    };
    const peer = this.world.join(as, { storage: host.storage(this.storage, slow), ...options, host });
    return { peer, board: peer.document, host };
  }

  /** The tab is gone, without a word. */
  kill(tab: Tab): void {
    tab.host.die();
    this.world.abandon(tab.peer);
  }

  /** The client ids that are stored of a user, the one saved last first. */
  stored(user = "ann"): Promise<readonly string[]> {
    return this.storage.list(JSON.stringify(["d", user]));
  }
}

export function browserWorld(
  seed: number,
  faults = quiet,
): { world: World; browser: Browser; server: ModelServer } {
  const random = seededRandom(seed);
  const server = new ModelServer(random, "lww", faults);
  const world = new World(server, random);
  return { world, browser: new Browser(world, random), server };
}

/** A JWT as far as this side reads it. */
export function tokenOf(sub: string): string {
  return `header.${btoa(JSON.stringify({ sub }))}.signature`;
}
