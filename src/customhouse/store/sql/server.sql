-- server_facts [postgres] --
-- What a server says of itself and of whoever logged in: for `doctor`, and on PostgreSQL alone.
SELECT CAST(current_setting('server_version_num') AS BIGINT), current_setting('server_version'), current_setting('fsync'),
       current_setting('full_page_writes'), current_setting('server_encoding'),
       CAST(current_setting('max_connections') AS BIGINT)
         - CAST(current_setting('superuser_reserved_connections') AS BIGINT),
       (SELECT COUNT(*) FROM pg_stat_activity WHERE datid IS NOT NULL),
       SESSION_USER, (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = SESSION_USER);

-- schema_steps [postgres] --
-- The steps of the schema's history that were applied.
SELECT number, digest FROM schema_migration ORDER BY number;
