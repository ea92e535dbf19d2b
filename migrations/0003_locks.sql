-- Leases. Document row first, then lock rows; the clock is read after the row is held, so that only the database's
-- clock counts and a lease that ran out while somebody waited is over. Every change grows documents.revision.
CREATE FUNCTION "acquire_lock_v1"(
  p_doc uuid, p_id uuid, p_element text, p_user text, p_client text, p_session uuid, p_ttl_ms bigint,
  p_max_per_author integer, p_renew_only boolean,
  OUT o_outcome text, OUT o_revision bigint, OUT o_lock json
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
SET lock_timeout = '3s'
AS $$
DECLARE
  v_state text; v_version bigint; v_token bigint; v_now timestamptz; v_ended integer; v_grow integer := 0;
  v_lock locks%ROWTYPE; v_held integer;
BEGIN
  SELECT d.state, d.version, d.lock_token, d.revision INTO v_state, v_version, v_token, o_revision
  FROM documents d WHERE d.id = p_doc FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    o_outcome := 'missing';
    RETURN;
  END IF;
  IF v_state <> 'active' THEN
    o_outcome := 'not_active';
    RETURN;
  END IF;
  v_now := clock_timestamp();
  IF v_token > 0 THEN
    UPDATE locks l SET active = false WHERE l.doc_id = p_doc AND l.active AND l.element IS NULL AND l.expires_at <= v_now;
    GET DIAGNOSTICS v_ended = ROW_COUNT;
    v_grow := v_ended;
    UPDATE locks l SET active = false
    WHERE l.doc_id = p_doc AND l.active AND l.element IS NOT NULL AND l.expires_at <= v_now;
    GET DIAGNOSTICS v_ended = ROW_COUNT;
    v_grow := v_grow + v_ended;
  END IF;

  -- What is mine already is renewed: token and version stay.
  IF p_element IS NULL THEN
    UPDATE locks l SET expires_at = v_now + p_ttl_ms * interval '1 millisecond', session_id = p_session
    WHERE l.doc_id = p_doc AND l.active AND l.element IS NULL AND l.user_id = p_user AND l.client_id = p_client
    RETURNING * INTO v_lock;
  ELSE
    UPDATE locks l SET expires_at = v_now + p_ttl_ms * interval '1 millisecond', session_id = p_session
    WHERE l.doc_id = p_doc AND l.active AND l.element IS NOT NULL AND l.element = p_element
      AND l.user_id = p_user AND l.client_id = p_client
    RETURNING * INTO v_lock;
  END IF;
  IF FOUND THEN
    o_outcome := 'renewed';
    v_grow := v_grow + 1;
  ELSIF p_renew_only THEN
    o_outcome := 'not_held';
  ELSE
    SELECT x.* INTO v_lock FROM (
      SELECT l.* FROM locks l WHERE l.doc_id = p_doc AND l.active AND l.element IS NULL
      UNION ALL
      SELECT l.* FROM locks l WHERE l.doc_id = p_doc AND l.active AND l.element IS NOT NULL
        AND (p_element IS NULL OR l.element = p_element)
    ) x WHERE x.user_id <> p_user OR x.client_id <> p_client ORDER BY x.token LIMIT 1;
    IF FOUND THEN
      o_outcome := 'held';
    ELSE
      IF p_max_per_author > 0 THEN
        SELECT count(*) INTO v_held FROM (
          SELECT FROM locks l WHERE l.doc_id = p_doc AND l.active AND l.element IS NULL
            AND l.user_id = p_user AND l.client_id = p_client
          UNION ALL
          SELECT FROM locks l WHERE l.doc_id = p_doc AND l.active AND l.element IS NOT NULL
            AND l.user_id = p_user AND l.client_id = p_client
        ) x;
      END IF;
      IF p_max_per_author > 0 AND v_held >= p_max_per_author THEN
        o_outcome := 'too_many';
      ELSE
        o_outcome := 'granted';
        v_token := v_token + 1;
        v_grow := v_grow + 1;
        INSERT INTO locks (doc_id, id, user_id, session_id, client_id, element, token, version, acquired_at, expires_at)
        VALUES (p_doc, p_id, p_user, p_session, p_client, p_element, v_token, v_version, v_now,
          v_now + p_ttl_ms * interval '1 millisecond')
        RETURNING * INTO v_lock;
      END IF;
    END IF;
  END IF;

  IF v_grow > 0 THEN
    o_revision := o_revision + v_grow;
    UPDATE documents SET revision = o_revision, lock_token = v_token WHERE id = p_doc;
  END IF;
  IF v_lock.id IS NOT NULL THEN
    o_lock := json_build_object('id', v_lock.id, 'element', v_lock.element, 'user', v_lock.user_id,
      'client', v_lock.client_id, 'session', v_lock.session_id, 'token', v_lock.token, 'version', v_lock.version,
      'acquiredAt', v_lock.acquired_at, 'expiresAt', v_lock.expires_at,
      'expiresInMs', greatest(0, floor(extract(epoch FROM v_lock.expires_at - v_now) * 1000)));
  END IF;
END
$$;
--> statement-breakpoint
-- Ends one lock (p_id) or all of an author (p_id null). What had run out already is written as ended, but not counted.
CREATE FUNCTION "release_locks_v1"(
  p_doc uuid, p_id uuid, p_user text, p_client text, OUT o_released integer, OUT o_revision bigint
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
SET lock_timeout = '3s'
AS $$
DECLARE
  v_now timestamptz; v_ended integer;
BEGIN
  o_released := 0;
  SELECT d.revision INTO o_revision FROM documents d WHERE d.id = p_doc FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    o_revision := 0;
    RETURN;
  END IF;
  v_now := clock_timestamp();
  WITH ended AS (
    UPDATE locks l SET active = false
    WHERE l.doc_id = p_doc AND l.active AND (
      (p_id IS NOT NULL AND l.id = p_id) OR (p_id IS NULL AND l.user_id = p_user AND l.client_id = p_client))
    RETURNING l.expires_at
  )
  SELECT count(*), count(*) FILTER (WHERE expires_at > v_now) INTO v_ended, o_released FROM ended;
  IF v_ended > 0 THEN
    o_revision := o_revision + v_ended;
    UPDATE documents SET revision = o_revision WHERE id = p_doc;
  END IF;
END
$$;
