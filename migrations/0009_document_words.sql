-- Without holding up writers.
ALTER TABLE "operations" VALIDATE CONSTRAINT "operations_words_check";
--> statement-breakpoint
-- The same for documents, whose row every commit updates. Last: this one holds the table.
CREATE DOMAIN "document_type" AS varchar(50) CHECK (VALUE IN ('whiteboard', 'text', 'canvas', 'sheet'));
--> statement-breakpoint
CREATE DOMAIN "document_state" AS varchar(50) CHECK (VALUE IN ('active', 'archived', 'deleted'));
--> statement-breakpoint
CREATE DOMAIN "conflict_policy" AS varchar(50) CHECK (VALUE IN ('lww', 'merge', 'manual', 'strict'));
--> statement-breakpoint
ALTER TABLE "documents" DROP CONSTRAINT "documents_type_check", DROP CONSTRAINT "documents_state_check",
  DROP CONSTRAINT "documents_conflict_policy_check", DROP CONSTRAINT "documents_version_check",
  DROP CONSTRAINT "documents_content_version_check",
  ADD CONSTRAINT "documents_words_check" CHECK ("type"::document_type is not null
    and "state"::document_state is not null and "conflict_policy"::conflict_policy is not null),
  ADD CONSTRAINT "documents_version_check" CHECK ("content_version" >= 0 and "version" >= "content_version"
    and "version" <= 9007199254740991);
