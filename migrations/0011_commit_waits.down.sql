ALTER FUNCTION "commit_batch_v1"(boolean, integer, uuid[], bigint[], uuid[], bigint[], integer[], integer[], uuid[], text[], text[],
  bigint[], bytea[], integer[], text[], uuid[], text[], text[], text[], uuid[], text[], text[], text[], text[], integer[],
  integer[], jsonb, jsonb) SET lock_timeout = '3s';
--> statement-breakpoint
CREATE OR REPLACE FUNCTION "commit_one_v1"(
  p_missed_bytes integer, p_doc uuid, p_expected bigint, p_expected_id uuid, p_metadata bigint, p_count integer,
  p_ids uuid[], p_types text[], p_elements text[], p_bases bigint[], p_data bytea[], p_op_origins integer[],
  p_extras text[], p_users text[], p_clients text[], p_sessions uuid[], p_lock_clients text[], p_ips text[],
  p_agents text[], p_platforms text[],
  OUT o_first bigint, OUT o_revision bigint, OUT o_at timestamptz, OUT o_problems json
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
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
    FROM commit_batch_v1(false, p_missed_bytes, ARRAY[p_doc], ARRAY[p_expected], ARRAY[p_expected_id],
      ARRAY[p_metadata], ARRAY[0, p_count], array_fill(1, ARRAY[p_count]), p_ids, p_types, p_elements, p_bases, p_data,
      p_op_origins, NULL, NULL, p_extras, p_users, p_clients, p_sessions, p_lock_clients, p_ips, p_agents, p_platforms,
      NULL, NULL, NULL, NULL) c;
  END IF;
END
$$;
