DROP TABLE "conflict_operations", "conflicts", "locks", "snapshot_parts", "snapshots", "sessions", "instances",
  "archived_operations", "operations", "settings", "documents";
