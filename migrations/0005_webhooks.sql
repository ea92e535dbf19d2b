ALTER TABLE "outbox" DROP CONSTRAINT "outbox_webhook_id_webhooks_id_fk";
--> statement-breakpoint
DROP INDEX "outbox_next_attempt_idx";--> statement-breakpoint
DROP INDEX "outbox_webhook_id_idx";--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "seq" bigint NOT NULL GENERATED ALWAYS AS IDENTITY (sequence name "outbox_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1);--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "from_version" bigint;--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "to_version" bigint;--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "ref" uuid;--> statement-breakpoint
ALTER TABLE "webhooks" ADD COLUMN "failing_since" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "webhooks" ADD COLUMN "last_error" text;--> statement-breakpoint
CREATE UNIQUE INDEX "outbox_lane_idx" ON "outbox" USING btree ("webhook_id","doc_id","seq");--> statement-breakpoint
CREATE UNIQUE INDEX "outbox_ref_idx" ON "outbox" USING btree ("webhook_id","doc_id","ref") WHERE attempts = 0;--> statement-breakpoint
-- Images are compressed already.
ALTER TABLE "assets" ALTER COLUMN "body" SET STORAGE EXTERNAL;
--> statement-breakpoint
-- Webhooks. Whatever tells something writes it into the outbox within its own transaction, while it holds the
-- document's row: what is rolled back is never told, what is committed always is, and the rows of a document have the
-- order of its transactions. Nobody has to know who listens: these functions look, and where there is no webhook at all
-- that look is all that it costs. A row that nobody tried to deliver yet (attempts = 0) is extended instead of another
-- being written, under its row lock, so that whoever delivers it reads what it tells afterwards.
CREATE FUNCTION "webhooks_of_v1"("p_doc" uuid, "p_event" text) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
  SELECT w.id FROM documents d, LATERAL (
    SELECT o.id, o.events, o.disabled_at FROM webhooks o WHERE o.doc_id = d.id
    UNION ALL
    SELECT a.id, a.events, a.disabled_at FROM webhooks a
    WHERE a.doc_id IS NULL AND a.owner = ANY (ARRAY[d.owner::text] || d.editors || d.viewers)
  ) w
  WHERE d.id = p_doc AND w.disabled_at IS NULL AND p_event = ANY (w.events)
$$;
--> statement-breakpoint
CREATE FUNCTION "emit_event_v1"("p_doc" uuid, "p_event" text, "p_body" json, "p_ref" uuid) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO outbox (id, webhook_id, doc_id, event, body, ref)
  SELECT gen_random_uuid(), w, p_doc, p_event, p_body, p_ref FROM webhooks_of_v1(p_doc, p_event) w
  ON CONFLICT (webhook_id, doc_id, ref) WHERE attempts = 0 DO UPDATE SET body = excluded.body
$$;
--> statement-breakpoint
-- Versions p_from to p_to of a document. An event grows to at most 1,000 versions.
CREATE FUNCTION "emit_operations_v1"("p_doc" uuid, "p_from" bigint, "p_to" bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_webhook uuid;
BEGIN
  FOR v_webhook IN SELECT w FROM webhooks_of_v1(p_doc, 'operations') w LOOP
    UPDATE outbox o SET to_version = p_to
    WHERE o.id = (
        SELECT l.id FROM outbox l WHERE l.webhook_id = v_webhook AND l.doc_id = p_doc ORDER BY l.seq DESC LIMIT 1)
      AND o.event = 'operations' AND o.attempts = 0 AND o.to_version = p_from - 1 AND p_to - o.from_version < 1000;
    IF NOT FOUND THEN
      INSERT INTO outbox (id, webhook_id, doc_id, event, body, from_version, to_version)
      VALUES (gen_random_uuid(), v_webhook, p_doc, 'operations', '{}', p_from, p_to);
    END IF;
  END LOOP;
END
$$;
--> statement-breakpoint
-- What a call of commit_batch_v1 committed, in its statement. Called only where there is a webhook: the look for one in
-- the statement itself is within the noise of a call (0.3 ms), a function around commit_batch_v1 that looks cost 20–30 µs.
CREATE FUNCTION "emit_commit_v1"("p_docs" uuid[], "p_offsets" integer[], "p_firsts" bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. coalesce(array_length(p_docs, 1), 0) LOOP
    CONTINUE WHEN p_firsts[i] = 0 OR p_offsets[i + 1] = p_offsets[i];
    PERFORM emit_operations_v1(p_docs[i], p_firsts[i], p_firsts[i] + p_offsets[i + 1] - p_offsets[i] - 1);
  END LOOP;
END
$$;
--> statement-breakpoint
-- A record made, joined or resolved: its state is read when it is delivered.
CREATE FUNCTION "emit_conflict"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM webhooks LIMIT 1;
  IF FOUND THEN
    PERFORM emit_event_v1(NEW.doc_id, 'conflicts', '{}', NEW.id);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "conflicts_webhooks" AFTER INSERT OR UPDATE OF "last_at", "resolved_at" ON "conflicts"
  FOR EACH ROW EXECUTE FUNCTION "emit_conflict"();
--> statement-breakpoint
CREATE FUNCTION "wire_time"("p_time" timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
--> statement-breakpoint
-- A lock granted, released or expired. A renewal moves only expires_at and is none of these.
CREATE FUNCTION "emit_lock"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM webhooks LIMIT 1;
  IF FOUND THEN
    PERFORM emit_event_v1(NEW.doc_id, 'locks', json_build_object(
      'change', CASE WHEN NEW.active THEN 'granted' WHEN NEW.expires_at <= clock_timestamp() THEN 'expired'
        ELSE 'released' END,
      'lock', json_build_object('id', NEW.id, 'element', NEW.element, 'sessionId', NEW.session_id,
        'clientId', NEW.client_id, 'user', json_build_object('id', NEW.user_id),
        'acquiredAt', wire_time(NEW.acquired_at), 'expiresAt', wire_time(NEW.expires_at), 'token', NEW.token,
        'version', NEW.version)), NULL);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "locks_granted_webhooks" AFTER INSERT ON "locks"
  FOR EACH ROW WHEN (NEW."active") EXECUTE FUNCTION "emit_lock"();
--> statement-breakpoint
CREATE TRIGGER "locks_ended_webhooks" AFTER UPDATE OF "active" ON "locks"
  FOR EACH ROW WHEN (OLD."active" AND NOT NEW."active") EXECUTE FUNCTION "emit_lock"();
--> statement-breakpoint
-- A document created, changed or deleted. The column list keeps the trigger away from the commit, which moves versions.
CREATE FUNCTION "emit_document"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM webhooks LIMIT 1;
  IF FOUND THEN
    PERFORM emit_event_v1(NEW.id, 'documents', json_build_object('change', CASE
      WHEN TG_OP = 'INSERT' THEN 'created'
      WHEN NEW.state = 'deleted' AND OLD.state <> 'deleted' THEN 'deleted'
      ELSE 'changed' END, 'metadataVersion', NEW.metadata_version), NULL);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "documents_created_webhooks" AFTER INSERT ON "documents"
  FOR EACH ROW EXECUTE FUNCTION "emit_document"();
--> statement-breakpoint
CREATE TRIGGER "documents_changed_webhooks" AFTER UPDATE OF "metadata_version" ON "documents"
  FOR EACH ROW WHEN (OLD."metadata_version" <> NEW."metadata_version") EXECUTE FUNCTION "emit_document"();
