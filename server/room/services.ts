/** What all rooms of an instance share; built once, in compose.ts. */
import type { GroupCommit } from "../commit/group-commit.ts";
import type { Config } from "../config.ts";
import type { Publisher } from "../fanout/publisher.ts";
import type { Logger } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Store } from "../store/store.ts";
import type { EditTimes } from "./edit-times.ts";
import type { HeadReader } from "./head-reader.ts";
import type { LockSweep } from "./lock-sweep.ts";
import type { SessionRows } from "./session-rows.ts";
import type { Turn } from "./turn.ts";

export interface RoomServices {
  readonly instanceId: string;
  readonly store: Store;
  readonly heads: HeadReader;
  readonly groupCommit: GroupCommit;
  readonly turn: Turn;
  readonly lockSweep: LockSweep;
  readonly sessionRows: SessionRows;
  readonly editTimes: Pick<EditTimes, "edited">;
  readonly publish: Publisher["publish"];
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly config: Pick<Config, "limits" | "presence" | "snapshots" | "retention" | "commit">;
  readonly newId: () => string;
  readonly nowMs: () => number;
}
