-- One document, at the version that its proposer expects, with nothing to record but operations: what a room sends under
-- light load, and a hot document always. One statement instead of commit_batch_v1's three, with scalars where that takes
-- and gives arrays. Whatever is not so simple is left to commit_batch_v1, within the same call.
--
-- Why this is as safe as commit_batch_v1:
--   * taken: the row is locked by its id alone, by the same rule (SKIP LOCKED: a stranger's row is `busy`, which
--     commit_batch_v1 says), and comes as it is once it is held, not as the snapshot shows it. The rest is judged by that
--     copy, so that none passes at an old version, state or metadata_version, nor beside a lock: a grant moves lock_token
--     under the row's lock. (Conditions beside the id tempt the planner: on empty tables it took the index of states.)
--   * moved: finds the row by its place. When what was locked is newer than the snapshot, that does not show it: nothing is
--     found, nothing was written, and commit_batch_v1 takes a snapshot of its own.
--   * Repeats are found by the unique key, as there: the statement stands in a subtransaction, is undone, and
--     commit_batch_v1 says which they are; archived ones count only where retained_from is above 1. (Looking for them first
--     depends on the plan: made while a document was small, it read all of its operations for each call.)
--   * The time is taken in RETURNING, after the row is held.
-- A data-modifying CTE runs once and to its end whether it is read or not; all see one snapshot.
CREATE FUNCTION "commit_one_v1"(
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
--> statement-breakpoint
-- Enumerations as domains, which a CHECK casts to: PostgreSQL parses every CHECK of a table anew for each statement, and
-- a list of words is long. Domains are parsed once a connection. NOT VALID only because reading the whole log would
-- hold up commits; the checks that this replaces were true for every row, and the next migration validates.
CREATE DOMAIN "operation_type" AS varchar(50)
  CHECK (VALUE IN ('create', 'update', 'delete', 'move', 'resize', 'style', 'text'));
--> statement-breakpoint
CREATE DOMAIN "operation_status" AS varchar(50)
  CHECK (VALUE IN ('pending', 'applied', 'conflict', 'rejected', 'resolved'));
--> statement-breakpoint
ALTER TABLE "operations" DROP CONSTRAINT "operations_type_check", DROP CONSTRAINT "operations_status_check",
  ADD CONSTRAINT "operations_words_check"
  CHECK ("type"::operation_type is not null and "status"::operation_status is not null) NOT VALID;
