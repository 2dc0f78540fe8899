-- What people have said to alerts: who took one on, and until when nobody is told of it. The page shows it beside the alert.

-- The same command delivered twice is one row, whenever that was: no partitions.
CREATE TABLE IF NOT EXISTS notification_commands_versions
(
    account  LowCardinality(String),
    alert_id String CODEC(ZSTD(1)),
    action   LowCardinality(String),
    until    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    by       LowCardinality(String),
    at       DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (account, alert_id, at, action, by)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW notification_commands AS
SELECT * FROM notification_commands_versions FINAL;
