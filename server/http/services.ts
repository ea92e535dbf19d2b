import type { RateLimit } from "../access/rate.ts";
import type { Tokens } from "../access/tokens.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { DocumentEdits } from "../room/edits.ts";
import type { HistoryEdits } from "../room/history-edits.ts";
import type { Store } from "../store/store.ts";

/** What the routes work with. */
export interface HttpServices {
  readonly config: Pick<Config, "server" | "auth" | "limits" | "metrics" | "manager">;
  readonly store: Pick<
    Store,
    "conflicts" | "documents" | "operations" | "versions" | "assets" | "webhooks" | "stats"
  >;
  readonly edits: DocumentEdits;
  readonly history: HistoryEdits;
  readonly tokens: Tokens;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Why this instance cannot serve; undefined when it can. */
  readonly readiness: () => Promise<string | undefined>;
  readonly newId: () => string;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Why a URL cannot be a webhook's; undefined when it can. */
  readonly webhookUrlProblem: (url: string) => string | undefined;
  /** The package's, such as `0.1.0`. */
  readonly version: string;
  /** A new secret of at least 256 bits. */
  readonly makeSecret: () => string;
  /** Folder of the built demo client; absent: no demo. */
  readonly demoDir?: string;
}

/** What the hooks before every route work with. */
export interface CallerServices extends Pick<HttpServices, "tokens"> {
  /** REST requests of a user, or without a token of an address. */
  readonly requests: RateLimit;
}
