-- What drizzle cannot say: storage, the updated_at trigger, the functions for tools, and the views.

-- Each accepted batch updates its document's row: room on the page keeps that heap-only (HOT), and large values
-- leave the row so that its new version stays small.
ALTER TABLE "documents" SET (fillfactor = 60, toast_tuple_target = 512, autovacuum_vacuum_scale_factor = 0.05);
--> statement-breakpoint
ALTER TABLE "locks" SET (fillfactor = 80);
--> statement-breakpoint
-- The column list keeps the trigger away from what the commit writes (version, last_operation_id, revision): an
-- update that does not name one of these does not even look at it.
CREATE FUNCTION "set_document_updated_at"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "documents_updated_at"
  BEFORE UPDATE OF "name", "type", "state", "tags", "description", "properties", "owner", "editors", "viewers",
    "public", "conflict_policy", "metadata_version", "content"
  ON "documents" FOR EACH ROW
  WHEN (
    (OLD."name", OLD."type", OLD."state", OLD."tags", OLD."description", OLD."properties", OLD."owner",
      OLD."editors", OLD."viewers", OLD."public", OLD."conflict_policy", OLD."metadata_version")
    IS DISTINCT FROM
    (NEW."name", NEW."type", NEW."state", NEW."tags", NEW."description", NEW."properties", NEW."owner",
      NEW."editors", NEW."viewers", NEW."public", NEW."conflict_policy", NEW."metadata_version")
    OR OLD."content" IS DISTINCT FROM NEW."content"
  )
  EXECUTE FUNCTION "set_document_updated_at"();
--> statement-breakpoint
-- A new document belongs to its creator.
CREATE FUNCTION "set_document_creator"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.owner := coalesce(NEW.owner, NEW.created_by);
  NEW.updated_by := coalesce(NEW.updated_by, NEW.created_by);
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "documents_creator" BEFORE INSERT ON "documents" FOR EACH ROW EXECUTE FUNCTION "set_document_creator"();
--> statement-breakpoint
-- Compare-and-set of version and content, for tools and imports. No operation belongs to the new version, so nothing
-- of the log before it can be replayed from here: the retained log begins after it.
CREATE FUNCTION "atomic_update_document_version"(
  "p_doc_id" uuid, "p_old_version" bigint, "p_new_version" bigint, "p_content" bytea, "p_updated_by" varchar
) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  UPDATE documents SET
    version = p_new_version,
    content = p_content,
    content_version = p_new_version,
    updated_by = p_updated_by,
    last_operation_id = CASE WHEN p_new_version = version THEN last_operation_id END,
    retained_from = CASE WHEN p_new_version = version THEN retained_from ELSE p_new_version + 1 END
  WHERE id = p_doc_id AND version = p_old_version;
  RETURN FOUND;
END
$$;
--> statement-breakpoint
-- Deactivates the expired locks of these documents (null: of all). Document row first, then lock row, in id order;
-- rows that somebody holds are left for the next time, so a sweep waits for nobody. The clock is read after the row
-- is held: a lease that its holder renewed meanwhile stays.
CREATE FUNCTION "clean_expired_locks"("p_docs" uuid[]) RETURNS integer LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off AS $$
DECLARE
  v_doc uuid;
  v_ended integer;
  v_total integer := 0;
BEGIN
  FOR v_doc IN
    SELECT DISTINCT l.doc_id FROM locks l
    WHERE l.active AND l.expires_at <= clock_timestamp() AND (p_docs IS NULL OR l.doc_id = ANY (p_docs))
    ORDER BY 1
  LOOP
    PERFORM FROM documents d WHERE d.id = v_doc FOR NO KEY UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    UPDATE locks SET active = false WHERE doc_id = v_doc AND active AND expires_at <= clock_timestamp();
    GET DIAGNOSTICS v_ended = ROW_COUNT;
    IF v_ended > 0 THEN
      UPDATE documents SET revision = revision + v_ended WHERE id = v_doc;
      v_total := v_total + v_ended;
    END IF;
  END LOOP;
  RETURN v_total;
END
$$;
--> statement-breakpoint
CREATE FUNCTION "clean_expired_locks"() RETURNS integer LANGUAGE sql AS $$ SELECT clean_expired_locks(NULL::uuid[]) $$;
--> statement-breakpoint
CREATE FUNCTION "add_active_user"("p_doc_id" uuid, "p_user_id" varchar) RETURNS void LANGUAGE sql AS $$
  UPDATE documents SET active_users = array_append(active_users, p_user_id::text)
  WHERE id = p_doc_id AND NOT p_user_id::text = ANY (active_users)
$$;
--> statement-breakpoint
CREATE FUNCTION "remove_active_user"("p_doc_id" uuid, "p_user_id" varchar) RETURNS void LANGUAGE sql AS $$
  UPDATE documents SET active_users = array_remove(active_users, p_user_id::text)
  WHERE id = p_doc_id AND p_user_id::text = ANY (active_users)
$$;
--> statement-breakpoint
CREATE VIEW "v_active_documents" AS
SELECT id, name, type, version, created_by, created_at, updated_at, updated_by, owner, active_users,
  cardinality(active_users) AS active_user_count, tags, public, conflict_policy
FROM documents WHERE state = 'active';
--> statement-breakpoint
-- Versions have no gaps, so two probes of the primary key count the live log of a document, whatever its length; what
-- archiving left below (held back) is counted by the partial index.
CREATE VIEW "v_document_stats" AS
SELECT
  d.id AS doc_id,
  d.name,
  d.state,
  d.version,
  coalesce(
    (SELECT o.version FROM operations o WHERE o.doc_id = d.id ORDER BY o.version DESC LIMIT 1)
    - (SELECT o.version FROM operations o WHERE o.doc_id = d.id AND o.version >= d.retained_from
       ORDER BY o.version LIMIT 1) + 1, 0)
  + (SELECT count(*) FROM operations o
     WHERE o.doc_id = d.id AND o.version < d.retained_from AND o.status <> 'applied') AS operations,
  (SELECT count(*) FROM operations o
    WHERE o.doc_id = d.id AND o.status <> 'applied' AND o.status IN ('pending', 'conflict')) AS pending_operations,
  (SELECT count(*) FROM conflicts c WHERE c.doc_id = d.id) AS conflicts,
  (SELECT count(*) FROM conflicts c WHERE c.doc_id = d.id AND c.resolved_at IS NULL) AS unresolved_conflicts,
  (SELECT count(*) FROM locks l
    WHERE l.doc_id = d.id AND l.active AND l.element IS NULL AND l.expires_at > clock_timestamp())
  + (SELECT count(*) FROM locks l
    WHERE l.doc_id = d.id AND l.active AND l.element IS NOT NULL AND l.expires_at > clock_timestamp())
    AS active_locks,
  cardinality(d.active_users) AS active_users
FROM documents d;
