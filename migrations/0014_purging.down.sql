-- A document whose purge broke off can then be taken for a deleted one: purge it before.
ALTER TABLE "documents" DROP COLUMN "purging";
