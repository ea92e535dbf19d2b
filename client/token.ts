/** What this side reads of a JWT; only the server verifies it. */
export interface TokenClaims {
  /** The user's id. */
  readonly sub?: string;
  /** When it expires, in seconds since 1970 by the issuer's clock. */
  readonly exp?: number;
}

/** The claims of a JWT; none of what is not one. */
export function readToken(token: string | undefined): TokenClaims {
  const [, payload] = token?.split(".") ?? [];
  if (payload === undefined) return {};
  try {
    const binary = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const { sub, exp } = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown; exp?: unknown };
    return {
      ...(typeof sub === "string" ? { sub } : {}),
      ...(typeof exp === "number" ? { exp } : {}),
    };
  } catch {
    return {};
  }
}

/** Where tokens come from: the application's `getToken`, or the one `token` that it gave. */
export class TokenSource {
  /** Asking again may bring another token. */
  readonly renewable: boolean;
  readonly #get: () => string | undefined | Promise<string | undefined>;
  /** The token that was given out last. */
  #current: string | undefined;
  #early = false;

  constructor({
    token,
    getToken,
  }: {
    readonly token?: string;
    readonly getToken?: () => string | Promise<string>;
  }) {
    this.renewable = getToken !== undefined;
    this.#get = getToken ?? (() => token);
  }

  get current(): string | undefined {
    return this.#current;
  }

  /** Whose token that is; undefined when it does not say. `anonymous`: without a token. */
  get currentUser(): string | undefined {
    return this.#current === undefined ? "anonymous" : readToken(this.#current).sub;
  }

  /** A token for the next connection. */
  async next(): Promise<string | undefined> {
    if (this.#early) {
      this.#early = false;
      return this.#current;
    }
    return this.fresh();
  }

  /** A token that was asked for just now. */
  async fresh(): Promise<string | undefined> {
    this.#current = await this.#get();
    return this.#current;
  }

  /** Who the next connection will be; undefined when that cannot be known now. */
  async user(): Promise<string | undefined> {
    try {
      await this.fresh();
      this.#early = true;
      return this.currentUser;
    } catch {
      return undefined;
    }
  }
}
