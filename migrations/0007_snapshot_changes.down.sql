-- Whole snapshots and the log stay: nothing is lost but time.
DROP TABLE "snapshot_changes";
