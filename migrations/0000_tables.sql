CREATE TABLE "conflict_operations" (
	"doc_id" uuid NOT NULL,
	"conflict_id" uuid NOT NULL,
	"operation_id" uuid NOT NULL,
	CONSTRAINT "conflict_operations_pkey" PRIMARY KEY("doc_id","conflict_id","operation_id")
);
--> statement-breakpoint
CREATE TABLE "conflicts" (
	"doc_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"element" text NOT NULL,
	"properties" text[] DEFAULT '{}' NOT NULL,
	"resolution" varchar(50) NOT NULL,
	"resolved_by" varchar(255),
	"resolved_at" timestamp (3) with time zone,
	"description" text DEFAULT '' NOT NULL,
	"authors" text[] DEFAULT '{}' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"last_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "conflicts_pkey" PRIMARY KEY("doc_id","id"),
	CONSTRAINT "conflicts_resolution_check" CHECK ("resolution" in ('lww', 'manual', 'merge')),
	CONSTRAINT "conflicts_resolved_check" CHECK (("resolved_at" is null) = ("resolved_by" is null))
);
--> statement-breakpoint
CREATE TABLE "documents" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" varchar(255) NOT NULL,
	"type" varchar(50) DEFAULT 'whiteboard' NOT NULL,
	"state" varchar(50) DEFAULT 'active' NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL,
	"last_operation_id" uuid,
	"retained_from" bigint DEFAULT 1 NOT NULL,
	"content" "bytea",
	"content_version" bigint DEFAULT 0 NOT NULL,
	"metadata_version" bigint DEFAULT 1 NOT NULL,
	"revision" bigint DEFAULT 0 NOT NULL,
	"lock_token" bigint DEFAULT 0 NOT NULL,
	"created_by" varchar(255) NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_by" varchar(255) NOT NULL,
	"owner" varchar(255) NOT NULL,
	"active_users" text[] DEFAULT '{}' NOT NULL,
	"tags" text[] DEFAULT '{}' NOT NULL,
	"editors" text[] DEFAULT '{}' NOT NULL,
	"viewers" text[] DEFAULT '{}' NOT NULL,
	"public" boolean DEFAULT false NOT NULL,
	"conflict_policy" varchar(50) DEFAULT 'lww' NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"properties" jsonb DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT "documents_type_check" CHECK ("type" in ('whiteboard', 'text', 'canvas', 'sheet')),
	CONSTRAINT "documents_state_check" CHECK ("state" in ('active', 'archived', 'deleted')),
	CONSTRAINT "documents_conflict_policy_check" CHECK ("conflict_policy" in ('lww', 'merge', 'manual', 'strict')),
	CONSTRAINT "documents_version_check" CHECK ("version" between 0 and 9007199254740991),
	CONSTRAINT "documents_content_version_check" CHECK ("content_version" between 0 and "version")
);
--> statement-breakpoint
CREATE TABLE "locks" (
	"doc_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"user_id" varchar(255) NOT NULL,
	"session_id" uuid NOT NULL,
	"client_id" varchar(255) NOT NULL,
	"element" text,
	"token" bigint NOT NULL,
	"version" bigint NOT NULL,
	"acquired_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"active" boolean DEFAULT true NOT NULL,
	CONSTRAINT "locks_pkey" PRIMARY KEY("doc_id","id")
);
--> statement-breakpoint
CREATE TABLE "archived_operations" (
	"doc_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"version" bigint NOT NULL,
	"user_id" varchar(255) NOT NULL,
	"client_id" varchar(255) NOT NULL,
	CONSTRAINT "archived_operations_pkey" PRIMARY KEY("doc_id","id"),
	CONSTRAINT "archived_operations_doc_id_version_key" UNIQUE("doc_id","version")
);
--> statement-breakpoint
CREATE TABLE "operations" (
	"doc_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"session_id" uuid NOT NULL,
	"version" bigint NOT NULL,
	"prev_version" bigint NOT NULL,
	"timestamp" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"conflict" uuid,
	"type" varchar(50) NOT NULL,
	"status" varchar(50) DEFAULT 'applied' NOT NULL,
	"element" text NOT NULL,
	"user_id" varchar(255) NOT NULL,
	"client_id" varchar(255) NOT NULL,
	"data" "bytea" NOT NULL,
	"extra" jsonb,
	"ip" varchar(45),
	"user_agent" text,
	"platform" varchar(100),
	CONSTRAINT "operations_pkey" PRIMARY KEY("doc_id","version"),
	CONSTRAINT "operations_doc_id_id_key" UNIQUE("doc_id","id"),
	CONSTRAINT "operations_type_check" CHECK ("type" in ('create', 'update', 'delete', 'move', 'resize', 'style', 'text')),
	CONSTRAINT "operations_status_check" CHECK ("status" in ('pending', 'applied', 'conflict', 'rejected', 'resolved'))
);
--> statement-breakpoint
CREATE TABLE "instances" (
	"id" text PRIMARY KEY NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"heartbeat_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"doc_id" uuid NOT NULL,
	"instance_id" text,
	"user_id" varchar(255) NOT NULL,
	"user_name" text,
	"user_color" text,
	"client_id" varchar(255) NOT NULL,
	"role" varchar(50) NOT NULL,
	"joined_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"left_at" timestamp (3) with time zone,
	"first_version" bigint NOT NULL,
	"last_version" bigint,
	"ip" varchar(45),
	"user_agent" text,
	"platform" varchar(100),
	CONSTRAINT "sessions_role_check" CHECK ("role" in ('owner', 'editor', 'viewer'))
);
--> statement-breakpoint
CREATE TABLE "settings" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "snapshot_parts" (
	"doc_id" uuid NOT NULL,
	"snapshot_id" uuid NOT NULL,
	"kind" varchar(50) NOT NULL,
	"part" integer NOT NULL,
	"body" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "snapshot_parts_pkey" PRIMARY KEY("doc_id","snapshot_id","kind","part"),
	CONSTRAINT "snapshot_parts_kind_check" CHECK ("kind" in ('elements', 'memory'))
);
--> statement-breakpoint
CREATE TABLE "snapshots" (
	"doc_id" uuid NOT NULL,
	"version" bigint NOT NULL,
	"id" uuid NOT NULL,
	"operation_id" uuid,
	"bytes" bigint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "snapshots_pkey" PRIMARY KEY("doc_id","version")
);
--> statement-breakpoint
ALTER TABLE "conflict_operations" ADD CONSTRAINT "conflict_operations_conflict_fkey" FOREIGN KEY ("doc_id","conflict_id") REFERENCES "public"."conflicts"("doc_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "conflicts" ADD CONSTRAINT "conflicts_doc_id_documents_id_fk" FOREIGN KEY ("doc_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "locks" ADD CONSTRAINT "locks_doc_id_documents_id_fk" FOREIGN KEY ("doc_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_doc_id_documents_id_fk" FOREIGN KEY ("doc_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshots" ADD CONSTRAINT "snapshots_doc_id_documents_id_fk" FOREIGN KEY ("doc_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "conflict_operations_operation_idx" ON "conflict_operations" USING btree ("doc_id","operation_id");--> statement-breakpoint
CREATE INDEX "conflicts_doc_id_created_at_idx" ON "conflicts" USING btree ("doc_id","created_at","id");--> statement-breakpoint
CREATE INDEX "conflicts_doc_id_last_at_idx" ON "conflicts" USING btree ("doc_id","last_at");--> statement-breakpoint
CREATE INDEX "conflicts_unresolved_idx" ON "conflicts" USING btree ("doc_id","created_at","id") WHERE "resolved_at" is null;--> statement-breakpoint
CREATE INDEX "conflicts_resolved_by_idx" ON "conflicts" USING btree ("resolved_by","doc_id");--> statement-breakpoint
CREATE INDEX "conflicts_created_at_idx" ON "conflicts" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "documents_created_by_idx" ON "documents" USING btree ("created_by","updated_at","id");--> statement-breakpoint
CREATE INDEX "documents_owner_idx" ON "documents" USING btree ("owner","updated_at","id");--> statement-breakpoint
CREATE INDEX "documents_type_idx" ON "documents" USING btree ("type","updated_at","id");--> statement-breakpoint
CREATE INDEX "documents_state_idx" ON "documents" USING btree ("state","updated_at","id");--> statement-breakpoint
CREATE INDEX "documents_created_at_idx" ON "documents" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "documents_updated_at_idx" ON "documents" USING btree ("updated_at","id");--> statement-breakpoint
CREATE INDEX "documents_name_idx" ON "documents" USING btree (lower("name") collate "C","id");--> statement-breakpoint
CREATE INDEX "documents_active_users_idx" ON "documents" USING gin ("active_users");--> statement-breakpoint
CREATE INDEX "documents_access_idx" ON "documents" USING gin ("editors","viewers");--> statement-breakpoint
CREATE INDEX "documents_tags_idx" ON "documents" USING gin ("tags");--> statement-breakpoint
CREATE INDEX "documents_properties_idx" ON "documents" USING gin ("properties" jsonb_path_ops);--> statement-breakpoint
CREATE UNIQUE INDEX "locks_active_document_key" ON "locks" USING btree ("doc_id") WHERE "active" and "element" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "locks_active_element_key" ON "locks" USING btree ("doc_id","element") WHERE "active" and "element" is not null;--> statement-breakpoint
CREATE INDEX "locks_active_expires_at_idx" ON "locks" USING btree ("expires_at") WHERE "active";--> statement-breakpoint
CREATE INDEX "operations_rare_status_idx" ON "operations" USING btree ("doc_id","version") WHERE "status" <> 'applied';--> statement-breakpoint
CREATE INDEX "operations_timestamp_idx" ON "operations" USING brin ("timestamp" timestamptz_minmax_multi_ops) WITH (autosummarize=true,pages_per_range=32);--> statement-breakpoint
CREATE INDEX "sessions_user_id_idx" ON "sessions" USING btree ("user_id","doc_id");--> statement-breakpoint
CREATE INDEX "sessions_doc_id_idx" ON "sessions" USING btree ("doc_id");--> statement-breakpoint
CREATE INDEX "sessions_live_idx" ON "sessions" USING btree ("doc_id") WHERE "left_at" is null;--> statement-breakpoint
CREATE INDEX "sessions_live_instance_idx" ON "sessions" USING btree ("instance_id") WHERE "left_at" is null;--> statement-breakpoint
CREATE INDEX "sessions_unsettled_idx" ON "sessions" USING btree ("left_at") WHERE "left_at" is not null and "last_version" is null;--> statement-breakpoint
CREATE INDEX "snapshot_parts_created_at_idx" ON "snapshot_parts" USING brin ("created_at");