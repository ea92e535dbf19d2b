DROP TABLE "outbox", "webhooks", "assets", "archive_parts", "document_versions";
