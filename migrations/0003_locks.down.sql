DROP FUNCTION "release_locks_v1";
--> statement-breakpoint
DROP FUNCTION "acquire_lock_v1";
