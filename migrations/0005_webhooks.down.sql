DROP TRIGGER "documents_changed_webhooks" ON "documents";
--> statement-breakpoint
DROP TRIGGER "documents_created_webhooks" ON "documents";
--> statement-breakpoint
DROP TRIGGER "locks_ended_webhooks" ON "locks";
--> statement-breakpoint
DROP TRIGGER "locks_granted_webhooks" ON "locks";
--> statement-breakpoint
DROP TRIGGER "conflicts_webhooks" ON "conflicts";
--> statement-breakpoint
DROP FUNCTION "emit_document", "emit_lock", "emit_conflict", "wire_time", "emit_commit_v1", "emit_operations_v1",
  "emit_event_v1", "webhooks_of_v1";
--> statement-breakpoint
ALTER TABLE "assets" ALTER COLUMN "body" SET STORAGE EXTENDED;
--> statement-breakpoint
DROP INDEX "outbox_ref_idx", "outbox_lane_idx";
--> statement-breakpoint
DELETE FROM "outbox" WHERE "webhook_id" NOT IN (SELECT "id" FROM "webhooks");
--> statement-breakpoint
ALTER TABLE "outbox" DROP COLUMN "seq", DROP COLUMN "from_version", DROP COLUMN "to_version", DROP COLUMN "ref",
  ADD CONSTRAINT "outbox_webhook_id_webhooks_id_fk" FOREIGN KEY ("webhook_id") REFERENCES "public"."webhooks"("id") ON DELETE cascade;
--> statement-breakpoint
ALTER TABLE "webhooks" DROP COLUMN "failing_since", DROP COLUMN "last_error";
--> statement-breakpoint
CREATE INDEX "outbox_next_attempt_idx" ON "outbox" USING btree ("next_attempt_at","id");
--> statement-breakpoint
CREATE INDEX "outbox_webhook_id_idx" ON "outbox" USING btree ("webhook_id");
