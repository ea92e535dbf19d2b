/** Who this browser is, and the tokens that say so. */
import { keep, recall } from "./browser-storage.ts";
import { CallError, devToken } from "./server-calls.ts";

/**
 * The user of development mode to whom boards are given that everybody with the link may edit: whoever comes adds
 * themselves to the editors in its name (`join.ts`), and then edits as themselves.
 */
export const everybody = "everybody";

/** No token can be had from this server: people bring their own. */
export class TokenNeeded extends Error {
  constructor(refused: boolean) {
    super(refused ? "The access token was refused." : "This server asks for an access token.");
    this.name = "TokenNeeded";
  }
}

/** How the ids begin that this page makes up for its browsers: to people they say nothing. */
export const madeUp = "person-";
const renewBeforeMs = 60_000;

/** A token, and how much of its life was left when it came. */
interface GivenToken {
  readonly token: string;
  readonly lifeMs: number;
  readonly ageMs: () => number;
}

/** Names for who has given none: several hundred, so that two windows rarely get the same. */
const manners =
  "Amber Brisk Calm Clever Copper Daring Eager Gentle Golden Jolly Keen Lively Merry Nimble Quiet Silver Swift Wise";
const animals =
  "Badger Beaver Crane Dormouse Falcon Gecko Hare Heron Ibis Jackdaw Kestrel Lynx Marten Mole Newt Otter Plover Robin Wren";

/** This browser's user: an id and a name that stay, and either tokens of development mode or a pasted one. */
export class Account {
  readonly userId: string;
  #name: string;
  #pasted: string | undefined;
  readonly #tokens = new Map<string, GivenToken>();

  constructor() {
    this.userId = recall("aetherflow.user") ?? `${madeUp}${randomPart()}`;
    this.#name = recall("aetherflow.name") ?? `${oneOf(manners)} ${oneOf(animals)}`;
    this.#pasted = recall("aetherflow.token", "session");
    keep("aetherflow.user", this.userId);
    keep("aetherflow.name", this.#name);
  }

  /** Shown to others. */
  get name(): string {
    return this.#name;
  }

  set name(name: string) {
    this.#name = name;
    keep("aetherflow.name", name);
  }

  /** Tokens come from somebody else than this server. */
  get broughtToken(): boolean {
    return this.#pasted !== undefined;
  }

  /** Uses a token that its user pasted, until the tab is closed. */
  paste(token: string): void {
    this.#pasted = token;
    keep("aetherflow.token", token, "session");
  }

  /** Forgets a token that was refused. */
  forget(): void {
    this.#pasted = undefined;
    keep("aetherflow.token", undefined, "session");
    this.#tokens.clear();
  }

  /**
   * A token that is valid for some time yet.
   * @param user only in development mode: another than this browser's.
   * @throws TokenNeeded where this server gives none.
   */
  async token(user: string = this.userId): Promise<string> {
    if (this.#pasted !== undefined) return this.#pasted;
    const kept = this.#tokens.get(user);
    if (kept !== undefined && kept.ageMs() < kept.lifeMs - renewBeforeMs) return kept.token;
    try {
      const ageMs = stopwatch();
      const { token } = await devToken(user);
      this.#tokens.set(user, { token, lifeMs: lifeMsOf(token), ageMs });
      return token;
    } catch (error) {
      if (error instanceof CallError && [401, 403, 404].includes(error.status)) throw new TokenNeeded(false);
      throw error;
    }
  }
}

/**
 * How long ago that was, at least: the local wall clock may be wrong, and be set right meanwhile, but it goes on while the
 * machine sleeps, when the monotonic one of some browsers stands still.
 */
function stopwatch(): () => number {
  const [clock, wall] = [performance.now(), Date.now()];
  return () => Math.max(performance.now() - clock, Date.now() - wall);
}

/** From its issue to its expiry, both by the server's clock; 0 where it does not say. */
function lifeMsOf(token: string): number {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { iat, exp } = JSON.parse(atob(payload)) as { readonly iat?: unknown; readonly exp?: unknown };
    return typeof iat === "number" && typeof exp === "number" ? (exp - iat) * 1_000 : 0;
  } catch {
    return 0;
  }
}

/** A short random part of an id. Not `randomUUID`, which plain `http://` pages from other machines do not have. */
export function randomPart(): string {
  return [...crypto.getRandomValues(new Uint32Array(3))].map((part) => part.toString(36)).join("");
}

function oneOf(words: string): string | undefined {
  const list = words.split(" ");
  return list[Math.floor(Math.random() * list.length)];
}
