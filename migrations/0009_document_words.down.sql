ALTER TABLE "documents" DROP CONSTRAINT "documents_words_check", DROP CONSTRAINT "documents_version_check",
  ADD CONSTRAINT "documents_type_check" CHECK ("type" in ('whiteboard', 'text', 'canvas', 'sheet')),
  ADD CONSTRAINT "documents_state_check" CHECK ("state" in ('active', 'archived', 'deleted')),
  ADD CONSTRAINT "documents_conflict_policy_check" CHECK ("conflict_policy" in ('lww', 'merge', 'manual', 'strict')),
  ADD CONSTRAINT "documents_version_check" CHECK ("version" between 0 and 9007199254740991),
  ADD CONSTRAINT "documents_content_version_check" CHECK ("content_version" between 0 and "version");
--> statement-breakpoint
DROP DOMAIN "conflict_policy";
--> statement-breakpoint
DROP DOMAIN "document_state";
--> statement-breakpoint
DROP DOMAIN "document_type";
