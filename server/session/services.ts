/** What all sessions of an instance share; built once, in compose.ts. */
import type { ConcurrencyLimit, RateLimit } from "../access/rate.ts";
import type { Tokens } from "../access/tokens.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { RoomRegistry } from "../room/registry.ts";
import type { SessionRows } from "../room/session-rows.ts";
import type { Releases } from "./releases.ts";

export interface SessionServices {
  readonly instanceId: string;
  readonly registry: RoomRegistry;
  readonly sessionRows: SessionRows;
  readonly tokens: Tokens;
  readonly releases: Releases;
  readonly config: Pick<Config, "limits" | "sockets" | "manager">;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** How many sockets may be open at once: of a user, and of nobody in particular. */
  readonly places: { readonly user: ConcurrencyLimit; readonly unauthenticated: ConcurrencyLimit };
  readonly createRate: (options: { perSecond: number; burst: number }) => RateLimit;
  readonly random: () => number;
  readonly nowMs: () => number;
  /** Eight characters, for the name of somebody without a token. */
  readonly newShortId: () => string;
}
