-- The stored functions as they are once all migrations have run. Made from the database: after a migration that
-- changes one, run `npx vitest run test/store/functions.test.ts -u`.

CREATE OR REPLACE FUNCTION public.acquire_lock_v1(p_doc uuid, p_id uuid, p_element text, p_user text, p_client text, p_session uuid, p_ttl_ms bigint, p_max_per_author integer, p_renew_only boolean, OUT o_outcome text, OUT o_revision bigint, OUT o_lock json)
 RETURNS record
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
 SET lock_timeout TO '3s'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.add_active_user(p_doc_id uuid, p_user_id character varying)
 RETURNS void
 LANGUAGE sql
AS $function$
  UPDATE documents SET active_users = array_append(active_users, p_user_id::text)
  WHERE id = p_doc_id AND NOT p_user_id::text = ANY (active_users)
$function$;

CREATE OR REPLACE FUNCTION public.atomic_update_document_version(p_doc_id uuid, p_old_version bigint, p_new_version bigint, p_content bytea, p_updated_by character varying)
 RETURNS boolean
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.clean_expired_locks()
 RETURNS integer
 LANGUAGE sql
AS $function$ SELECT clean_expired_locks(NULL::uuid[]) $function$;

CREATE OR REPLACE FUNCTION public.clean_expired_locks(p_docs uuid[])
 RETURNS integer
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.commit_batch_v1(p_wait boolean, p_missed_bytes integer, p_docs uuid[], p_expected bigint[], p_expected_ids uuid[], p_metadata bigint[], p_offsets integer[], p_op_docs integer[], p_ids uuid[], p_types text[], p_elements text[], p_bases bigint[], p_data bytea[], p_op_origins integer[], p_statuses text[], p_op_conflicts uuid[], p_extras text[], p_users text[], p_clients text[], p_sessions uuid[], p_lock_clients text[], p_ips text[], p_agents text[], p_platforms text[], p_new_sessions integer[], p_exact integer[], p_conflicts jsonb, p_resolves jsonb, OUT o_firsts bigint[], OUT o_revisions bigint[], OUT o_at timestamp with time zone, OUT o_problems json)
 RETURNS record
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET jit TO 'off'
 SET lock_timeout TO '100ms'
AS $function$
DECLARE
  c_none CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  c_far CONSTANT bigint := 5000; -- further behind than this, no answer fits anyway
  v_count CONSTANT integer := coalesce(array_length(p_docs, 1), 0);
  v_zero CONSTANT bigint[] := array_fill(0::bigint, ARRAY[v_count]);
  -- the rows that were taken, in order
  l_ids uuid[]; l_versions bigint[]; l_lasts uuid[]; l_states text[]; l_metadata bigint[]; l_revisions bigint[];
  l_tokens bigint[]; l_retained bigint[];
  -- by document of the call
  v_row integer[] := array_fill(0, ARRAY[v_count]); -- place among the rows taken; 0: none
  v_outcome text[] := array_fill(NULL::text, ARRAY[v_count]); -- null: committed
  v_grow bigint[] := v_zero; -- by how much the revision grows
  v_slow integer[] := '{}'; -- documents to look at closely
  v_behind integer[]; -- those of them whose proposer is behind
  v_locked integer[]; -- documents with active locks
  v_budget integer := p_missed_bytes;
  v_problems json[] := '{}';
  v_known json; v_missed json; v_lock json; v_head json;
  v_same boolean; v_touched boolean; v_conflict uuid; v_complete boolean;
  v_first integer; v_last integer; v_elements text[]; v_bytes integer; v_through bigint; v_expired integer;
  v_repeats boolean; v_item jsonb; v_doc uuid; v_operations uuid[];
  i integer := 1; r integer;
BEGIN
  -- 1. take the rows ------------------------------------------------------------------------------------------
  IF p_wait THEN
    SELECT array_agg(x.id), array_agg(x.version), array_agg(coalesce(x.last_operation_id, c_none)),
      array_agg(x.state::text), array_agg(x.metadata_version), array_agg(x.revision), array_agg(x.lock_token),
      array_agg(x.retained_from)
    INTO l_ids, l_versions, l_lasts, l_states, l_metadata, l_revisions, l_tokens, l_retained
    FROM (
      SELECT d.id, d.version, d.last_operation_id, d.state, d.metadata_version, d.revision, d.lock_token, d.retained_from
      FROM documents d WHERE d.id = ANY (p_docs) ORDER BY d.id FOR NO KEY UPDATE
    ) x;
  ELSE
    SELECT array_agg(x.id), array_agg(x.version), array_agg(coalesce(x.last_operation_id, c_none)),
      array_agg(x.state::text), array_agg(x.metadata_version), array_agg(x.revision), array_agg(x.lock_token),
      array_agg(x.retained_from)
    INTO l_ids, l_versions, l_lasts, l_states, l_metadata, l_revisions, l_tokens, l_retained
    FROM (
      SELECT d.id, d.version, d.last_operation_id, d.state, d.metadata_version, d.revision, d.lock_token, d.retained_from
      FROM documents d WHERE d.id = ANY (p_docs) ORDER BY d.id FOR NO KEY UPDATE SKIP LOCKED
    ) x;
  END IF;
  -- After the rows are held: a lease that ran out while this call waited is over. Not now(), the transaction's start.
  o_at := date_trunc('milliseconds', clock_timestamp());
  o_firsts := v_zero;
  o_revisions := v_zero;

  -- 2. judge --------------------------------------------------------------------------------------------------
  FOR r IN 1 .. coalesce(array_length(l_ids, 1), 0) LOOP
    WHILE p_docs[i] <> l_ids[r] LOOP i := i + 1; END LOOP;
    v_row[i] := r;
    IF l_versions[r] = p_expected[i] AND l_lasts[r] = p_expected_ids[i] AND l_states[r] = 'active'
      AND l_metadata[r] = p_metadata[i] AND l_retained[r] = 1 AND l_tokens[r] = 0 THEN
      o_firsts[i] := l_versions[r] + 1;
    ELSE
      v_slow := v_slow || i;
    END IF;
    i := i + 1;
  END LOOP;

  IF coalesce(array_length(l_ids, 1), 0) < v_count THEN
    FOR i IN 1 .. v_count LOOP
      CONTINUE WHEN v_row[i] > 0;
      PERFORM FROM documents d WHERE d.id = p_docs[i];
      v_outcome[i] := CASE WHEN FOUND THEN 'busy' ELSE 'missing' END;
      v_problems := v_problems || json_build_object('doc', i, 'outcome', v_outcome[i]);
    END LOOP;
  END IF;

  -- Records that are joined or resolved must still be unresolved: those documents are looked at closely, too.
  IF p_conflicts IS NOT NULL OR p_resolves IS NOT NULL THEN
    FOR i IN
      SELECT DISTINCT (c ->> 'doc')::integer FROM (
        SELECT c FROM jsonb_array_elements(p_conflicts) c WHERE (c ->> 'join')::boolean AND c ->> 'resolvedBy' IS NULL
        UNION ALL SELECT c FROM jsonb_array_elements(p_resolves) c
      ) u
    LOOP
      IF o_firsts[i] > 0 THEN
        o_firsts[i] := 0;
        v_slow := v_slow || i;
      END IF;
    END LOOP;
  END IF;

  -- 2b. Behind and nothing else: what lies between is the same history, and touches none of the elements. All of them
  -- are read with one statement; whatever is not so simple, or does not fit the answer, is looked at closely below.
  IF v_slow <> '{}' AND p_exact IS NULL AND p_conflicts IS NULL AND p_resolves IS NULL THEN
    v_behind := ARRAY(SELECT s.i FROM unnest(v_slow) s(i) WHERE p_expected[s.i] < l_versions[v_row[s.i]]
      AND p_expected[s.i] + 1000 >= l_versions[v_row[s.i]]
      AND l_states[v_row[s.i]] = 'active' AND l_metadata[v_row[s.i]] = p_metadata[s.i]
      AND l_retained[v_row[s.i]] = 1 AND l_tokens[v_row[s.i]] = 0);
    IF v_behind <> '{}' THEN
      FOR i, v_missed, v_bytes IN
        SELECT s.i, x.missed, x.bytes
        FROM unnest(v_behind) s(i), LATERAL (
          SELECT bool_or(o.version = p_expected[s.i] AND o.id = p_expected_ids[s.i])
              OR p_expected[s.i] = 0 AND p_expected_ids[s.i] = c_none AS same,
            bool_or(o.version > p_expected[s.i]
              AND o.element = ANY (p_elements[p_offsets[s.i] + 1 : p_offsets[s.i + 1]])) AS touched,
            -- As JSON text within JSON, a byte of data takes two at most.
            sum(2 * octet_length(o.data) + coalesce(2 * octet_length(o.extra::text), 0) + octet_length(o.element)
              + octet_length(o.user_id) + octet_length(o.client_id) + 250) AS bytes,
            json_agg(json_build_array(o.version, o.id, o.type, o.element, o.prev_version, o.status, o.conflict,
              o.session_id, o.user_id, o.client_id, o.timestamp, convert_from(o.data, 'UTF8'), o.extra::text)
              ORDER BY o.version) FILTER (WHERE o.version > p_expected[s.i]) AS missed
          FROM (
            SELECT * FROM operations l
            WHERE l.doc_id = p_docs[s.i] AND l.version >= p_expected[s.i] AND l.version <= l_versions[v_row[s.i]]
            ORDER BY l.version LIMIT 1001
          ) o
        ) x
        WHERE x.same AND x.touched IS NOT TRUE
      LOOP
        CONTINUE WHEN v_bytes > v_budget;
        v_budget := v_budget - v_bytes;
        v_slow := array_remove(v_slow, i);
        o_firsts[i] := l_versions[v_row[i]] + 1;
        v_problems := v_problems || json_build_object('doc', i, 'outcome', 'committed', 'missed', v_missed,
          'complete', true);
      END LOOP;
    END IF;
  END IF;

  IF v_slow <> '{}' THEN
    SELECT array_agg(u.i) INTO v_locked
    FROM unnest(v_slow) u(i), LATERAL (
      (SELECT FROM locks l WHERE l.doc_id = p_docs[u.i] AND l.active AND l.element IS NULL LIMIT 1)
      UNION ALL (SELECT FROM locks l WHERE l.doc_id = p_docs[u.i] AND l.active AND l.element IS NOT NULL LIMIT 1)
      LIMIT 1
    ) x
    WHERE l_tokens[v_row[u.i]] > 0;

    FOREACH i IN ARRAY v_slow LOOP
      r := v_row[i];
      v_doc := p_docs[i];
      v_first := p_offsets[i] + 1;
      v_last := p_offsets[i + 1];
      v_elements := p_elements[v_first : v_last];
      v_missed := NULL;
      v_complete := true;
      v_known := NULL;
      v_expired := 0;

      -- history
      IF p_expected[i] > l_versions[r] THEN
        v_outcome[i] := 'history';
      ELSIF p_expected[i] = l_versions[r] THEN
        v_outcome[i] := CASE WHEN l_lasts[r] <> p_expected_ids[i] THEN 'history' END;
      ELSE
        -- Behind: the operations in between say whether it is the same history and whether they touch an element.
        v_through := least(l_versions[r], p_expected[i] + c_far);
        SELECT bool_or(o.version = p_expected[i] AND o.id = p_expected_ids[i]),
          bool_or(o.version > p_expected[i] AND o.element = ANY (v_elements))
        INTO v_same, v_touched
        FROM (
          SELECT * FROM operations l
          WHERE l.doc_id = v_doc AND l.version >= p_expected[i] AND l.version <= v_through
          ORDER BY l.version LIMIT c_far + 1
        ) o;
        IF v_same IS NOT TRUE AND p_expected[i] > 0 AND p_expected[i] < l_retained[r] THEN
          SELECT true INTO v_same FROM archived_operations a
          WHERE a.doc_id = v_doc AND a.version = p_expected[i] AND a.id = p_expected_ids[i];
        END IF;
        IF p_expected[i] = 0 THEN
          v_same := p_expected_ids[i] = c_none;
        END IF;
        v_outcome[i] := CASE WHEN v_same IS NOT TRUE THEN 'history' END;
      END IF;

      IF v_outcome[i] IS NULL AND (l_states[r] <> 'active' OR l_metadata[r] <> p_metadata[i]) THEN
        v_outcome[i] := 'changed';
      END IF;

      IF v_outcome[i] IS NULL AND i = ANY (v_locked) AND v_last >= v_first THEN
        SELECT json_build_object('id', x.id, 'element', x.element, 'user', x.user_id, 'client', x.client_id,
          'session', x.session_id, 'token', x.token, 'version', x.version,
          'acquiredAt', x.acquired_at, 'expiresAt', x.expires_at,
          'expiresInMs', greatest(0, floor(extract(epoch FROM x.expires_at - o_at) * 1000)))
        INTO v_lock
        FROM (
          SELECT l.* FROM locks l WHERE l.doc_id = v_doc AND l.active AND l.element IS NULL
          UNION ALL
          SELECT l.* FROM locks l
          WHERE l.doc_id = v_doc AND l.active AND l.element IS NOT NULL AND l.element = ANY (v_elements)
        ) x
        WHERE x.expires_at > o_at AND EXISTS (
          SELECT FROM generate_series(v_first, v_last) j
          WHERE (x.element IS NULL OR x.element = p_elements[j]) AND (
            x.user_id <> p_users[p_op_origins[j]]
            OR x.client_id <> coalesce(p_lock_clients[p_op_origins[j]], p_clients[p_op_origins[j]])))
        ORDER BY x.token LIMIT 1;
        IF FOUND THEN
          v_outcome[i] := 'locked';
        END IF;
      END IF;

      IF v_outcome[i] IS NULL AND (p_conflicts IS NOT NULL OR p_resolves IS NOT NULL) THEN
        SELECT u.id INTO v_conflict FROM (
          SELECT (c ->> 'id')::uuid AS id FROM jsonb_array_elements(p_conflicts) c
          WHERE (c ->> 'doc')::integer = i AND (c ->> 'join')::boolean AND c ->> 'resolvedBy' IS NULL
          UNION ALL
          SELECT (c ->> 'id')::uuid FROM jsonb_array_elements(p_resolves) c WHERE (c ->> 'doc')::integer = i
        ) u
        WHERE (SELECT c.resolved_at IS NULL FROM conflicts c WHERE c.doc_id = v_doc AND c.id = u.id LIMIT 1) IS NOT TRUE
        LIMIT 1;
        IF FOUND THEN
          v_outcome[i] := 'resolved';
        END IF;
      END IF;

      IF v_outcome[i] IS NULL AND p_expected[i] < l_versions[r] AND (i = ANY (p_exact) OR (v_last >= v_first
        AND (v_touched OR v_through < l_versions[r] OR p_expected[i] + 1 < l_retained[r]))) THEN
        v_outcome[i] := 'stale';
      END IF;

      -- A repeat is recognised before anything else is judged; for what was accepted the unique key does it, unless
      -- part of the log is archived.
      IF v_outcome[i] IS NOT NULL OR l_retained[r] > 1 THEN
        SELECT json_agg(json_build_object('id', u.id, 'version', u.version, 'user', u.user_id, 'client', u.client_id)
          ORDER BY u.version)
        INTO v_known
        FROM generate_series(v_first, v_last) j, LATERAL (
          (SELECT o.id, o.version, o.user_id, o.client_id FROM operations o
            WHERE o.doc_id = v_doc AND o.id = p_ids[j] LIMIT 1)
          UNION ALL
          (SELECT a.id, a.version, a.user_id, a.client_id FROM archived_operations a
            WHERE l_retained[r] > 1 AND a.doc_id = v_doc AND a.id = p_ids[j] LIMIT 1)
          LIMIT 1
        ) u;
        IF v_known IS NOT NULL THEN
          v_outcome[i] := 'repeat';
        END IF;
      END IF;

      -- What the proposer lacks, as far as it fits.
      IF p_expected[i] < l_versions[r] AND (v_outcome[i] IS NULL OR v_outcome[i] = 'stale') THEN
        SELECT json_agg(json_build_array(x.version, x.id, x.type, x.element, x.prev_version, x.status, x.conflict,
            x.session_id, x.user_id, x.client_id, x.timestamp, x.data, x.extra) ORDER BY x.version),
          max(x.running), coalesce(max(x.version), p_expected[i]) = l_versions[r]
        INTO v_missed, v_bytes, v_complete
        FROM (
          SELECT y.*, sum(octet_length(to_json(y.data)::text) + coalesce(octet_length(to_json(y.extra)::text), 0)
            + octet_length(y.element) + octet_length(y.user_id) + octet_length(y.client_id) + 250)
            OVER (ORDER BY y.version) AS running
          FROM (
            SELECT o.version, o.id, o.type, o.element, o.prev_version, o.status, o.conflict, o.session_id, o.user_id,
              o.client_id, o.timestamp, convert_from(o.data, 'UTF8') AS data, o.extra::text AS extra
            FROM operations o
            WHERE o.doc_id = v_doc AND o.version > p_expected[i] AND o.version <= l_versions[r]
              AND p_expected[i] + 1 >= l_retained[r]
            ORDER BY o.version LIMIT 1000
          ) y
        ) x
        WHERE x.running <= v_budget;
        v_budget := v_budget - coalesce(v_bytes, 0);
      END IF;

      IF v_outcome[i] IS NULL THEN
        o_firsts[i] := l_versions[r] + 1;
        IF p_expected[i] < l_versions[r] THEN
          v_problems := v_problems || json_build_object('doc', i, 'outcome', 'committed', 'missed', v_missed,
            'complete', v_complete);
        END IF;
        IF i = ANY (v_locked) AND v_last >= v_first THEN
          UPDATE locks l SET active = false
          WHERE l.doc_id = v_doc AND l.active AND l.element IS NULL AND l.expires_at <= o_at;
          GET DIAGNOSTICS v_expired = ROW_COUNT;
          v_grow[i] := v_expired;
          UPDATE locks l SET active = false
          WHERE l.doc_id = v_doc AND l.active AND l.element IS NOT NULL AND l.element = ANY (v_elements)
            AND l.expires_at <= o_at;
          GET DIAGNOSTICS v_expired = ROW_COUNT;
          v_grow[i] := v_grow[i] + v_expired;
        END IF;
      ELSE
        v_head := json_build_object('state', l_states[r], 'version', l_versions[r],
          'operationId', nullif(l_lasts[r], c_none), 'metadataVersion', l_metadata[r], 'revision', l_revisions[r]);
        v_problems := v_problems || CASE v_outcome[i]
          WHEN 'repeat' THEN json_build_object('doc', i, 'outcome', 'repeat', 'head', v_head, 'known', v_known)
          WHEN 'stale' THEN json_build_object('doc', i, 'outcome', 'stale', 'head', v_head, 'missed', v_missed,
            'complete', v_complete)
          WHEN 'locked' THEN json_build_object('doc', i, 'outcome', 'locked', 'head', v_head, 'lock', v_lock)
          WHEN 'resolved' THEN json_build_object('doc', i, 'outcome', 'resolved', 'head', v_head, 'conflictId', v_conflict)
          ELSE json_build_object('doc', i, 'outcome', v_outcome[i], 'head', v_head)
        END;
      END IF;
    END LOOP;
  END IF;

  -- 3. insert -------------------------------------------------------------------------------------------------
  LOOP
    BEGIN
      INSERT INTO operations (doc_id, id, session_id, version, prev_version, "timestamp", conflict, type, status,
        element, user_id, client_id, data, extra, ip, user_agent, platform)
      SELECT p_docs[p_op_docs[j]], p_ids[j], p_sessions[p_op_origins[j]],
        o_firsts[p_op_docs[j]] + j - 1 - p_offsets[p_op_docs[j]], p_bases[j], o_at, p_op_conflicts[j], p_types[j],
        coalesce(p_statuses[j], 'applied'), p_elements[j], p_users[p_op_origins[j]], p_clients[p_op_origins[j]],
        p_data[j], p_extras[j]::jsonb, p_ips[p_op_origins[j]], p_agents[p_op_origins[j]], p_platforms[p_op_origins[j]]
      FROM generate_series(1, p_offsets[v_count + 1]) j
      WHERE o_firsts[p_op_docs[j]] > 0;
      EXIT;
    EXCEPTION WHEN unique_violation THEN
      v_repeats := false;
      FOR i IN 1 .. v_count LOOP
        CONTINUE WHEN o_firsts[i] = 0;
        SELECT json_agg(json_build_object('id', u.id, 'version', u.version, 'user', u.user_id, 'client', u.client_id)
          ORDER BY u.version)
        INTO v_known
        FROM generate_series(p_offsets[i] + 1, p_offsets[i + 1]) j, LATERAL (
          SELECT o.id, o.version, o.user_id, o.client_id FROM operations o
          WHERE o.doc_id = p_docs[i] AND o.id = p_ids[j] LIMIT 1
        ) u;
        IF v_known IS NOT NULL THEN
          v_repeats := true;
          r := v_row[i];
          o_firsts[i] := 0;
          v_outcome[i] := 'repeat';
          v_problems := v_problems || json_build_object('doc', i, 'outcome', 'repeat', 'known', v_known, 'head',
            json_build_object('state', l_states[r], 'version', l_versions[r], 'operationId', nullif(l_lasts[r], c_none),
              'metadataVersion', l_metadata[r], 'revision', l_revisions[r] + v_grow[i]));
        END IF;
      END LOOP;
      -- Nothing that the log has: the same id twice in one batch, or a log that is ahead of its document.
      IF NOT v_repeats THEN
        RAISE;
      END IF;
    END;
  END LOOP;

  -- 4. everything that goes with them -------------------------------------------------------------------------
  IF p_resolves IS NOT NULL THEN
    FOR v_item IN SELECT c FROM jsonb_array_elements(p_resolves) c LOOP
      i := (v_item ->> 'doc')::integer;
      CONTINUE WHEN o_firsts[i] = 0;
      UPDATE conflicts SET resolved_by = v_item ->> 'resolvedBy', resolved_at = o_at
      WHERE doc_id = p_docs[i] AND id = (v_item ->> 'id')::uuid;
      v_operations := ARRAY(SELECT jsonb_array_elements_text(v_item -> 'operations')::uuid);
      UPDATE operations SET status = 'resolved'
      WHERE doc_id = p_docs[i] AND id = ANY (v_operations) AND status = 'conflict';
      v_grow[i] := v_grow[i] + 1;
    END LOOP;
  END IF;

  IF p_conflicts IS NOT NULL THEN
    FOR v_item IN SELECT c FROM jsonb_array_elements(p_conflicts) c LOOP
      i := (v_item ->> 'doc')::integer;
      CONTINUE WHEN o_firsts[i] = 0;
      v_conflict := (v_item ->> 'id')::uuid;
      INSERT INTO conflicts AS c (doc_id, id, element, properties, resolution, resolved_by, resolved_at, description,
        authors, created_at, last_at)
      VALUES (p_docs[i], v_conflict, v_item ->> 'element',
        ARRAY(SELECT jsonb_array_elements_text(v_item -> 'properties')), v_item ->> 'resolution',
        v_item ->> 'resolvedBy', CASE WHEN v_item ->> 'resolvedBy' IS NOT NULL THEN o_at END,
        v_item ->> 'description', ARRAY(SELECT jsonb_array_elements_text(v_item -> 'authors')), o_at, o_at)
      ON CONFLICT (doc_id, id) DO UPDATE SET
        properties = CASE WHEN c.properties = '{}' OR excluded.properties = '{}' THEN '{}'
          ELSE ARRAY(SELECT DISTINCT p FROM unnest(c.properties || excluded.properties) p ORDER BY p) END,
        authors = ARRAY(SELECT DISTINCT a FROM unnest(c.authors || excluded.authors) a ORDER BY a),
        resolution = CASE WHEN c.resolution = 'lww' AND excluded.resolution = 'merge' THEN 'merge' ELSE c.resolution END,
        description = excluded.description,
        last_at = excluded.last_at;
      v_operations := ARRAY(SELECT jsonb_array_elements_text(v_item -> 'operations')::uuid);
      INSERT INTO conflict_operations (doc_id, conflict_id, operation_id)
      SELECT p_docs[i], v_conflict, u FROM unnest(v_operations) u
      ON CONFLICT DO NOTHING;
      IF p_resolves IS NOT NULL THEN
        -- What a resolver had not seen moves from the record just resolved to this one.
        UPDATE operations o SET conflict = v_conflict
        WHERE o.doc_id = p_docs[i] AND o.id = ANY (v_operations) AND o.status = 'conflict' AND o.conflict = ANY (
          ARRAY(SELECT (c ->> 'id')::uuid FROM jsonb_array_elements(p_resolves) c WHERE (c ->> 'doc')::integer = i));
      END IF;
      v_grow[i] := v_grow[i] + 1;
    END LOOP;
  END IF;

  -- Sessions that the caller is not sure of: recorded, or reopened, so that the look-up by user and session holds.
  -- One that is live, or left less than 30 s ago, is not settled for another 30 s: nothing to do, no row to hold.
  IF p_new_sessions IS NOT NULL THEN
    INSERT INTO sessions AS s (id, doc_id, user_id, client_id, role, joined_at, left_at, first_version, last_version,
      ip, user_agent, platform)
    SELECT p_sessions[k], p_docs[p_new_sessions[k]], p_users[k], coalesce(p_lock_clients[k], p_clients[k]), 'editor',
      o_at, o_at, o_firsts[p_new_sessions[k]], NULL, p_ips[k], p_agents[k], p_platforms[k]
    FROM generate_series(1, array_length(p_new_sessions, 1)) k
    WHERE p_new_sessions[k] > 0 AND o_firsts[p_new_sessions[k]] > 0 AND (
      SELECT true FROM sessions e WHERE e.id = p_sessions[k] AND e.last_version IS NULL
        AND (e.left_at IS NULL OR e.left_at > o_at - interval '30 seconds') LIMIT 1
    ) IS NOT TRUE
    ON CONFLICT (id) DO UPDATE SET
      left_at = CASE WHEN s.left_at IS NOT NULL THEN excluded.left_at END, last_version = NULL;
  END IF;

  UPDATE documents d SET
    version = d.version + u.added,
    last_operation_id = CASE WHEN u.added > 0 THEN u.last ELSE d.last_operation_id END,
    revision = d.revision + u.grow
  FROM (
    SELECT p_docs[g] AS id, p_ids[p_offsets[g + 1]] AS last, v_grow[g] AS grow,
      CASE WHEN o_firsts[g] > 0 THEN p_offsets[g + 1] - p_offsets[g] ELSE 0 END AS added
    FROM generate_series(1, v_count) g
    WHERE v_grow[g] > 0 OR (o_firsts[g] > 0 AND p_offsets[g + 1] > p_offsets[g])
  ) u
  WHERE d.id = u.id;

  FOR i IN 1 .. v_count LOOP
    IF o_firsts[i] > 0 THEN
      o_revisions[i] := l_revisions[v_row[i]] + v_grow[i];
    END IF;
  END LOOP;
  IF cardinality(v_problems) > 0 THEN
    o_problems := array_to_json(v_problems);
  END IF;
END
$function$;

CREATE OR REPLACE FUNCTION public.commit_one_v1(p_missed_bytes integer, p_doc uuid, p_expected bigint, p_expected_id uuid, p_metadata bigint, p_count integer, p_ids uuid[], p_types text[], p_elements text[], p_bases bigint[], p_data bytea[], p_op_origins integer[], p_extras text[], p_users text[], p_clients text[], p_sessions uuid[], p_lock_clients text[], p_ips text[], p_agents text[], p_platforms text[], OUT o_first bigint, OUT o_revision bigint, OUT o_at timestamp with time zone, OUT o_problems json)
 RETURNS record
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET jit TO 'off'
AS $function$
BEGIN
  BEGIN
    WITH taken AS (
      SELECT d.ctid AS place, d.version, d.last_operation_id, d.state, d.metadata_version, d.revision, d.retained_from,
        d.lock_token
      FROM documents d WHERE d.id = p_doc FOR NO KEY UPDATE SKIP LOCKED
    ), moved AS (
      UPDATE documents d SET version = d.version + p_count, last_operation_id = p_ids[p_count]
      FROM taken t
      WHERE d.ctid = t.place AND t.version = p_expected AND t.state = 'active' AND t.metadata_version = p_metadata
        AND coalesce(t.last_operation_id, '00000000-0000-0000-0000-000000000000') = p_expected_id
        AND t.retained_from = 1 AND t.lock_token = 0
      RETURNING t.version, t.revision, date_trunc('milliseconds', clock_timestamp()) AS at
    ), inserted AS (
      INSERT INTO operations (doc_id, id, session_id, version, prev_version, "timestamp", type, element, user_id,
        client_id, data, extra, ip, user_agent, platform)
      SELECT p_doc, p_ids[j], p_sessions[p_op_origins[j]], m.version + j, p_bases[j], m.at, p_types[j], p_elements[j],
        p_users[p_op_origins[j]], p_clients[p_op_origins[j]], p_data[j], p_extras[j]::jsonb, p_ips[p_op_origins[j]],
        p_agents[p_op_origins[j]], p_platforms[p_op_origins[j]]
      FROM moved m, generate_series(1, p_count) j
    )
    SELECT m.version + 1, m.revision, m.at INTO o_first, o_revision, o_at FROM moved m;
  EXCEPTION WHEN unique_violation THEN
    o_first := NULL;
  END;
  IF o_first IS NULL THEN
    SELECT c.o_firsts[1], c.o_revisions[1], c.o_at, c.o_problems INTO o_first, o_revision, o_at, o_problems
    FROM commit_batch_v1(true, p_missed_bytes, ARRAY[p_doc], ARRAY[p_expected], ARRAY[p_expected_id],
      ARRAY[p_metadata], ARRAY[0, p_count], array_fill(1, ARRAY[p_count]), p_ids, p_types, p_elements, p_bases, p_data,
      p_op_origins, NULL, NULL, p_extras, p_users, p_clients, p_sessions, p_lock_clients, p_ips, p_agents, p_platforms,
      NULL, NULL, NULL, NULL) c;
  END IF;
END
$function$;

CREATE OR REPLACE FUNCTION public.continue_purged_document()
 RETURNS trigger
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
BEGIN
  NEW.metadata_version := greatest(NEW.metadata_version,
    (SELECT p.metadata_version + 1 FROM purged_documents p WHERE p.id = NEW.id));
  RETURN NEW;
END
$function$;

CREATE OR REPLACE FUNCTION public.emit_commit_v1(p_docs uuid[], p_offsets integer[], p_firsts bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  FOR i IN 1 .. coalesce(array_length(p_docs, 1), 0) LOOP
    CONTINUE WHEN p_firsts[i] = 0 OR p_offsets[i + 1] = p_offsets[i];
    PERFORM emit_operations_v1(p_docs[i], p_firsts[i], p_firsts[i] + p_offsets[i + 1] - p_offsets[i] - 1);
  END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION public.emit_conflict()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM FROM webhooks LIMIT 1;
  IF FOUND THEN
    PERFORM emit_event_v1(NEW.doc_id, 'conflicts', '{}', NEW.id);
  END IF;
  RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION public.emit_document()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.emit_event_v1(p_doc uuid, p_event text, p_body json, p_ref uuid)
 RETURNS void
 LANGUAGE sql
AS $function$
  INSERT INTO outbox (id, webhook_id, doc_id, event, body, ref)
  SELECT gen_random_uuid(), w, p_doc, p_event, p_body, p_ref FROM webhooks_of_v1(p_doc, p_event) w
  ON CONFLICT (webhook_id, doc_id, ref) WHERE attempts = 0 DO UPDATE SET body = excluded.body
$function$;

CREATE OR REPLACE FUNCTION public.emit_lock()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.emit_operations_v1(p_doc uuid, p_from bigint, p_to bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.release_locks_v1(p_doc uuid, p_id uuid, p_user text, p_client text, OUT o_released integer, OUT o_revision bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
 SET lock_timeout TO '3s'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.remember_purged_document()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO purged_documents AS p (id, metadata_version) VALUES (OLD.id, OLD.metadata_version)
  ON CONFLICT (id) DO UPDATE SET metadata_version = greatest(p.metadata_version, excluded.metadata_version);
  RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION public.remove_active_user(p_doc_id uuid, p_user_id character varying)
 RETURNS void
 LANGUAGE sql
AS $function$
  UPDATE documents SET active_users = array_remove(active_users, p_user_id::text)
  WHERE id = p_doc_id AND p_user_id::text = ANY (active_users)
$function$;

CREATE OR REPLACE FUNCTION public.set_document_creator()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  NEW.owner := coalesce(NEW.owner, NEW.created_by);
  NEW.updated_by := coalesce(NEW.updated_by, NEW.created_by);
  RETURN NEW;
END
$function$;

CREATE OR REPLACE FUNCTION public.set_document_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END
$function$;

CREATE OR REPLACE FUNCTION public.webhooks_of_v1(p_doc uuid, p_event text)
 RETURNS SETOF uuid
 LANGUAGE sql
 STABLE
AS $function$
  SELECT w.id FROM documents d, LATERAL (
    SELECT o.id, o.events, o.disabled_at FROM webhooks o WHERE o.doc_id = d.id
    UNION ALL
    SELECT a.id, a.events, a.disabled_at FROM webhooks a
    WHERE a.doc_id IS NULL AND a.owner = ANY (ARRAY[d.owner::text] || d.editors || d.viewers)
  ) w
  WHERE d.id = p_doc AND w.disabled_at IS NULL AND p_event = ANY (w.events)
$function$;

CREATE OR REPLACE FUNCTION public.wire_time(p_time timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
  SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$function$;
