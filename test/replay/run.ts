/**
 * The replay: three instances as processes, one database, and for each scene a document with 20 SDK clients spread
 * over the instances, that rebuild the scene and then edit it together. In the middle of the editing one instance is
 * killed with SIGKILL; its clients go on at the others.
 */
import { execFile } from "node:child_process";
import { basename } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type RunningServer, startServer } from "../../bench/processes.ts";
import { type DocumentReplica, openDocument } from "../../client/index.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { edit, rebuild } from "./artist.ts";
import { type Checked, checkDocument } from "./check.ts";
import { readScene, type SceneElement } from "./scene.ts";
import { Witness } from "./witness.ts";

export interface ReplayOptions {
  readonly databaseUrl: string;
  readonly scenes: readonly string[];
  readonly seed: number;
  readonly clients: number;
  readonly instances: number;
  /** Kill one instance in the middle of the editing. */
  readonly kill: boolean;
  /** Of each scene, at most so many elements, spread over it. */
  readonly maxElements: number;
  /** Gestures of each client. */
  readonly gestures: number;
  /** 0…1, and what is going on. */
  progress(share: number, what: string): void;
}

export interface ReplayOutcome {
  readonly documents: readonly { readonly scene: string; readonly id: string; readonly checked: Checked }[];
  readonly verify: { readonly clean: boolean; readonly output: string };
}

/** A client that has not settled, or not caught up, after this long has failed. */
const settleMs = 60_000;

interface Board {
  readonly scene: string;
  readonly id: string;
  readonly members: {
    readonly name: string;
    readonly replica: DocumentReplica;
    readonly witness: Witness;
    readonly elements: SceneElement[];
  }[];
}

export async function replay(options: ReplayOptions): Promise<ReplayOutcome> {
  const servers: RunningServer[] = [];
  const boards: Board[] = [];
  try {
    for (let index = 0; index < options.instances; index++) {
      options.progress(0, `starting instance ${index + 1}`);
      const args = ["serve", "--port", "0", "--auth", "dev", "--log-level", "warn", "--no-demo"];
      servers.push(
        await startServer("server/main.js", args, {
          core: undefined,
          // 60 sockets of one address and 20 users: only the rate of operations is a limit here, and stays one.
          env: { DATABASE_URL: options.databaseUrl, AETHERFLOW_LIMITS_REQUESTS_PER_SECOND: "0" },
        }),
      );
    }
    const urls = servers.map(({ url }) => url);
    const tokens = await Promise.all(
      Array.from({ length: options.clients }, (_, client) => devToken(urls[0] as string, userOf(client))),
    );
    for (const scene of options.scenes) boards.push(await openBoard(options, scene, urls, tokens));

    const all = boards.flatMap(({ members }) => members);
    const elements = all.reduce((sum, { elements: share }) => sum + share.length, 0);
    const total = elements + all.length * options.gestures;
    let steps = 0;
    let stage = "rebuilding";
    let killed = -1;
    const killAt = elements + Math.floor((all.length * options.gestures) / 2);
    const artists = all.map((member, index) => ({
      ...member,
      random: seededRandom(options.seed * 1_000 + index),
      gestures: options.gestures,
      step() {
        steps += 1;
        if (options.kill && killed < 0 && steps >= killAt) {
          killed = 1 % servers.length;
          process.kill((servers[killed] as RunningServer).pid, "SIGKILL");
          stage = `editing, instance ${killed + 1} killed`;
        }
        options.progress(steps / total, stage);
      },
    }));
    await Promise.all(artists.map((artist) => rebuild(artist)));
    stage = "editing";
    await Promise.all(artists.map((artist) => edit(artist)));

    options.progress(1, "waiting until all have everything");
    await settle(boards);
    const living = servers.filter((_, index) => index !== killed);
    const documents = [];
    for (const { scene, id, members } of boards) {
      options.progress(1, `comparing ${basename(scene)}`);
      const instances = living.map(({ url }) => ({
        name: `server at ${new URL(url).host}`,
        get: <T>(path: string) => getJson<T>(`${url}/v1/documents/${id}${path}`, tokens[0] as string),
      }));
      documents.push({
        scene: basename(scene),
        id,
        checked: await checkDocument({ replicas: members, instances }),
      });
    }
    for (const { members } of boards) await Promise.all(members.map(({ replica }) => replica.close()));
    boards.length = 0;
    options.progress(1, "aetherflow verify");
    return { documents, verify: await verify(options.databaseUrl) };
  } finally {
    for (const { members } of boards) await Promise.all(members.map(({ replica }) => replica.close()));
    await Promise.all(servers.map((server) => server.stop()));
  }
}

const userOf = (client: number): string => `artist-${client}`;

async function openBoard(
  options: ReplayOptions,
  scene: string,
  urls: readonly string[],
  tokens: readonly string[],
): Promise<Board> {
  const created = await postJson<{ id: string }>(`${urls[0]}/v1/documents`, tokens[0], {
    name: basename(scene),
    editors: tokens.map((_, client) => userOf(client)).slice(1),
  });
  const members: Board["members"] = tokens.map((token, client) => {
    const name = `${basename(scene, ".excalidraw")}-${client}`;
    const witness = new Witness(name);
    // Its own instance first, then the next ones.
    const from = client % urls.length;
    const [first, ...others] = [...urls.slice(from), ...urls.slice(0, from)];
    const replica = openDocument({
      url: [first as string, ...others],
      documentId: created.id,
      token,
      clientId: name,
      createWebSocket: witness.createWebSocket,
      random: seededRandom(options.seed * 77_777 + client).next,
    });
    replica.on("error", (error) => witness.violations.push(`the SDK reported: ${error.message}`));
    replica.on("reject", ({ code, message }) =>
      witness.refused.push(`the SDK dropped changes: ${code}: ${message}`),
    );
    return { name, replica, witness, elements: [] };
  });
  await Promise.all(members.map(({ replica }) => replica.ready));
  const elements = readScene(scene);
  const every = Math.max(1, elements.length / options.maxElements);
  for (let index = 0; Math.floor(index * every) < elements.length; index++)
    members[index % members.length]?.elements.push(elements[Math.floor(index * every)] as SceneElement);
  return { scene, id: created.id, members };
}

/** Waits until nothing is pending and every replica of a document has the same, last version. */
async function settle(boards: readonly Board[]): Promise<void> {
  const until = Date.now() + settleMs;
  for (const { members } of boards) {
    for (;;) {
      const last = Math.max(...members.map(({ replica }) => replica.version));
      if (members.every(({ replica }) => replica.pendingCount === 0 && replica.version === last)) break;
      // What is behind is named by the comparison that follows.
      if (Date.now() > until) return;
      await delay(20);
    }
  }
}

async function devToken(url: string, user: string): Promise<string> {
  return (await postJson<{ token: string }>(`${url}/v1/dev/token`, undefined, { user })).token;
}

async function postJson<T>(url: string, token: string | undefined, body: unknown): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  if (!response.ok)
    throw new Error(`POST ${new URL(url).pathname}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

async function getJson<T>(url: string, token: string): Promise<T> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok)
    throw new Error(`GET ${new URL(url).pathname}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

async function verify(databaseUrl: string): Promise<ReplayOutcome["verify"]> {
  const main = fileURLToPath(new URL("../../server/main.js", import.meta.url));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [main, "verify"], {
      env: { ...process.env, DATABASE_URL: databaseUrl },
    });
    return { clean: true, output: stdout.trim() };
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return { clean: false, output: `${stdout}\n${stderr}`.trim() };
  }
}
