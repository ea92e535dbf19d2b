ALTER TABLE "operations" DROP CONSTRAINT "operations_words_check",
  ADD CONSTRAINT "operations_type_check"
  CHECK ("type" in ('create', 'update', 'delete', 'move', 'resize', 'style', 'text')),
  ADD CONSTRAINT "operations_status_check"
  CHECK ("status" in ('pending', 'applied', 'conflict', 'rejected', 'resolved'));
--> statement-breakpoint
DROP DOMAIN "operation_status";
--> statement-breakpoint
DROP DOMAIN "operation_type";
--> statement-breakpoint
DROP FUNCTION "commit_one_v1"(integer, uuid, bigint, uuid, bigint, integer, uuid[], text[], text[], bigint[], bytea[],
  integer[], text[], text[], text[], uuid[], text[], text[], text[], text[]);
