-- How long a commit waits for its rows is the caller's to say, with each call: a call of many documents waits a moment,
-- one of a single document longer. A setting of the function would win over it.
ALTER FUNCTION "commit_batch_v1"(boolean, integer, uuid[], bigint[], uuid[], bigint[], integer[], integer[], uuid[], text[], text[], bigint[], bytea[], integer[], text[], uuid[], text[], text[], text[], uuid[], text[], text[], text[], text[], integer[], integer[], jsonb, jsonb) RESET lock_timeout;
