-- Run once by psql, when the container makes its database. In `postgres`, where it shows every database's statements: in
-- `aetherflow` it would be part of each dump, and only a superuser could restore it.
\connect postgres
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
