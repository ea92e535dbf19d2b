-- A repeat that the unique key finds is judged after the expired locks of its elements were ended: those expiries stand,
-- and count for the document's revision although nothing of the batch is stored. The rest of the function stays as it
-- is, so that it is changed in place: PostgreSQL has no other way to replace a part of one.
DO $patch$
DECLARE
  v_old CONSTANT text := $old$    SELECT p_docs[g] AS id, p_offsets[g + 1] - p_offsets[g] AS added, p_ids[p_offsets[g + 1]] AS last, v_grow[g] AS grow
    FROM generate_series(1, v_count) g
    WHERE o_firsts[g] > 0 AND (p_offsets[g + 1] > p_offsets[g] OR v_grow[g] > 0)
$old$;
  v_new CONSTANT text := $new$    SELECT p_docs[g] AS id, p_ids[p_offsets[g + 1]] AS last, v_grow[g] AS grow,
      CASE WHEN o_firsts[g] > 0 THEN p_offsets[g + 1] - p_offsets[g] ELSE 0 END AS added
    FROM generate_series(1, v_count) g
    WHERE v_grow[g] > 0 OR (o_firsts[g] > 0 AND p_offsets[g + 1] > p_offsets[g])
$new$;
  v_function CONSTANT text := pg_get_functiondef('commit_batch_v1'::regproc);
BEGIN
  IF position(v_old IN v_function) = 0 THEN
    RAISE EXCEPTION 'commit_batch_v1 is not the one of migration 0011';
  END IF;
  EXECUTE replace(v_function, v_old, v_new);
END
$patch$;
