CREATE TABLE "assets" (
	"doc_id" uuid NOT NULL,
	"sha256" varchar(64) NOT NULL,
	"content_type" varchar(255) NOT NULL,
	"bytes" integer NOT NULL,
	"body" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"created_by" varchar(255) NOT NULL,
	CONSTRAINT "assets_pkey" PRIMARY KEY("doc_id","sha256")
);
--> statement-breakpoint
CREATE TABLE "archive_parts" (
	"doc_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"kind" varchar(50) NOT NULL,
	"from_version" bigint,
	"to_version" bigint,
	"body" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "archive_parts_pkey" PRIMARY KEY("doc_id","id"),
	CONSTRAINT "archive_parts_kind_check" CHECK ("kind" in ('operations', 'conflicts'))
);
--> statement-breakpoint
CREATE TABLE "document_versions" (
	"doc_id" uuid NOT NULL,
	"name" varchar(255) NOT NULL,
	"version" bigint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"created_by" varchar(255) NOT NULL,
	CONSTRAINT "document_versions_pkey" PRIMARY KEY("doc_id","name")
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" uuid PRIMARY KEY NOT NULL,
	"webhook_id" uuid NOT NULL,
	"doc_id" uuid NOT NULL,
	"event" varchar(50) NOT NULL,
	"body" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "webhooks" (
	"id" uuid PRIMARY KEY NOT NULL,
	"owner" varchar(255) NOT NULL,
	"doc_id" uuid,
	"url" text NOT NULL,
	"secret" text NOT NULL,
	"events" text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"disabled_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "assets" ADD CONSTRAINT "assets_doc_id_documents_id_fk" FOREIGN KEY ("doc_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "document_versions" ADD CONSTRAINT "document_versions_doc_id_documents_id_fk" FOREIGN KEY ("doc_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "outbox" ADD CONSTRAINT "outbox_webhook_id_webhooks_id_fk" FOREIGN KEY ("webhook_id") REFERENCES "public"."webhooks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_doc_id_documents_id_fk" FOREIGN KEY ("doc_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "document_versions_version_idx" ON "document_versions" USING btree ("doc_id","version");--> statement-breakpoint
CREATE INDEX "outbox_next_attempt_idx" ON "outbox" USING btree ("next_attempt_at","id");--> statement-breakpoint
CREATE INDEX "outbox_webhook_id_idx" ON "outbox" USING btree ("webhook_id");--> statement-breakpoint
CREATE INDEX "webhooks_owner_idx" ON "webhooks" USING btree ("owner","created_at","id");--> statement-breakpoint
CREATE INDEX "webhooks_doc_id_idx" ON "webhooks" USING btree ("doc_id");