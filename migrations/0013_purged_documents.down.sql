DROP TRIGGER "documents_continued" ON "documents";
--> statement-breakpoint
DROP TRIGGER "documents_purged" ON "documents";
--> statement-breakpoint
DROP FUNCTION "continue_purged_document"();
--> statement-breakpoint
DROP FUNCTION "remember_purged_document"();
--> statement-breakpoint
DROP TABLE "purged_documents";
