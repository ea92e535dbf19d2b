-- What a document's state differs in from an earlier snapshot: written instead of another whole one while little was
-- touched since. Instances of before read the whole ones and a longer log.
CREATE TABLE "snapshot_changes" (
	"doc_id" uuid NOT NULL,
	"version" bigint NOT NULL,
	"base" bigint NOT NULL,
	"operation_id" uuid,
	"elements" text NOT NULL,
	"memory" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "snapshot_changes_pkey" PRIMARY KEY("doc_id","version")
);
--> statement-breakpoint
ALTER TABLE "snapshot_changes" ADD CONSTRAINT "snapshot_changes_base_fkey" FOREIGN KEY ("doc_id","base") REFERENCES "public"."snapshots"("doc_id","version") ON DELETE cascade ON UPDATE no action;
