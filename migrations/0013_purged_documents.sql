CREATE TABLE "purged_documents" (
	"id" uuid PRIMARY KEY NOT NULL,
	"metadata_version" bigint NOT NULL
);
--> statement-breakpoint
-- An instance that stood still while a document was purged and another one made under its id could not tell the two
-- apart while they were empty: its sessions would have gone on in the new one, whatever its permissions say. With a
-- metadata version that goes on, their next commit is refused as changed, and the new permissions are read.
CREATE FUNCTION "remember_purged_document"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO purged_documents AS p (id, metadata_version) VALUES (OLD.id, OLD.metadata_version)
  ON CONFLICT (id) DO UPDATE SET metadata_version = greatest(p.metadata_version, excluded.metadata_version);
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "documents_purged" AFTER DELETE ON "documents" FOR EACH ROW EXECUTE FUNCTION "remember_purged_document"();
--> statement-breakpoint
CREATE FUNCTION "continue_purged_document"() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  NEW.metadata_version := greatest(NEW.metadata_version,
    (SELECT p.metadata_version + 1 FROM purged_documents p WHERE p.id = NEW.id));
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "documents_continued" BEFORE INSERT ON "documents" FOR EACH ROW EXECUTE FUNCTION "continue_purged_document"();
