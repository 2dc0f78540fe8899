-- Who may do what in the database `rapport`. Run it once as an administrator; it may be repeated:
--   clickhouse-client --user admin --ask-password --queries-file roles.sql
-- Then give each process a user of its own, typed in clickhouse-client so that no password is in a file or an argument:
--   CREATE USER rapport_sink IDENTIFIED BY '…' DEFAULT ROLE rapport_writer;
--   GRANT rapport_writer TO rapport_sink;
-- A test runs the code under these grants: tests/integration/test_clickhouse_roles.py.

-- `rapport migrate`: makes the database, tables and views. Keep its user: a server may let a view act as whoever made it.
CREATE ROLE IF NOT EXISTS rapport_migrator;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW ON rapport.* TO rapport_migrator;
GRANT ALTER COLUMN, ALTER INDEX, ALTER SETTINGS, ALTER TTL, ALTER VIEW, ALTER MODIFY COMMENT ON rapport.* TO rapport_migrator;
GRANT SELECT, INSERT ON rapport.* TO rapport_migrator;
-- to refresh relationships and campaigns at once; every ten minutes ClickHouse does so itself, as whoever made the views
GRANT SYSTEM VIEWS ON rapport.* TO rapport_migrator;
-- of use only where the server is set to ask for it (table_engines_require_grant)
GRANT TABLE ENGINE ON Null, TABLE ENGINE ON ReplacingMergeTree, TABLE ENGINE ON AggregatingMergeTree TO rapport_migrator;

-- `rapport sink`: adds rows, and reads next to none. It looks which migrations there are, and nothing else.
CREATE ROLE IF NOT EXISTS rapport_writer;
GRANT INSERT ON rapport.interactions_landing TO rapport_writer;
GRANT INSERT ON rapport.turns_landing TO rapport_writer;
GRANT INSERT ON rapport.panes_landing TO rapport_writer;
-- for the views that pass on what has landed: the landing tables themselves never hold a row
GRANT SELECT ON rapport.interactions_landing TO rapport_writer;
GRANT SELECT ON rapport.turns_landing TO rapport_writer;
GRANT SELECT ON rapport.panes_landing TO rapport_writer;
GRANT INSERT ON rapport.rolling_versions TO rapport_writer;
GRANT INSERT ON rapport.alerts_versions TO rapport_writer;
-- for the view that notes when alerts end
GRANT SELECT(account, alert_id, kind, state, version) ON rapport.alerts_versions TO rapport_writer;
GRANT INSERT ON rapport.revenue_versions TO rapport_writer;
GRANT INSERT ON rapport.notification_commands_versions TO rapport_writer;
GRANT INSERT ON rapport.dead_letters_versions TO rapport_writer;
GRANT SELECT(name, checksum) ON rapport.migrations TO rapport_writer;

-- Dashboards, `rapport sql`, `rapport report`, `rapport replay`, `rapport revenue`, `rapport check`. A view reads its tables as its reader.
CREATE ROLE IF NOT EXISTS rapport_reader;
GRANT SELECT ON rapport.* TO rapport_reader;
