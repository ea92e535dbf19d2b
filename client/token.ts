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
  readonly #get: () => string | undefined | Promise<string | undefined>;
  #early: { readonly token: string | undefined } | undefined;

  constructor({
    token,
    getToken,
  }: {
    readonly token?: string;
    readonly getToken?: () => string | Promise<string>;
  }) {
    this.#get = getToken ?? (() => token);
  }

  /** A token for the next connection. */
  next(): string | undefined | Promise<string | undefined> {
    const early = this.#early;
    this.#early = undefined;
    return early === undefined ? this.#get() : early.token;
  }

  /** Who the next connection will be; undefined when that cannot be known now. `anonymous`: without a token. */
  async user(): Promise<string | undefined> {
    try {
      const token = await this.#get();
      this.#early = { token };
      return token === undefined ? "anonymous" : readToken(token).sub;
    } catch {
      return undefined;
    }
  }
}
