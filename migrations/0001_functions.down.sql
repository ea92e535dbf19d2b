DROP VIEW "v_document_stats";
--> statement-breakpoint
DROP VIEW "v_active_documents";
--> statement-breakpoint
DROP FUNCTION "remove_active_user"(uuid, varchar);
--> statement-breakpoint
DROP FUNCTION "add_active_user"(uuid, varchar);
--> statement-breakpoint
DROP FUNCTION "clean_expired_locks"();
--> statement-breakpoint
DROP FUNCTION "clean_expired_locks"(uuid[]);
--> statement-breakpoint
DROP FUNCTION "atomic_update_document_version"(uuid, bigint, bigint, bytea, varchar);
--> statement-breakpoint
DROP TRIGGER "documents_creator" ON "documents";
--> statement-breakpoint
DROP FUNCTION "set_document_creator"();
--> statement-breakpoint
DROP TRIGGER "documents_updated_at" ON "documents";
--> statement-breakpoint
DROP FUNCTION "set_document_updated_at"();
--> statement-breakpoint
ALTER TABLE "documents" RESET (fillfactor, toast_tuple_target, autovacuum_vacuum_scale_factor);
--> statement-breakpoint
ALTER TABLE "locks" RESET (fillfactor);
