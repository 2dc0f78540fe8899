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

-- When alerts ended, by ClickHouse's clock: one that begins anew, as when a reply is withdrawn, has been taken on by nobody, and its
-- row has forgotten its end. Of each end the first landing, so that one delivered again, however late, changes nothing.
CREATE TABLE IF NOT EXISTS alert_ends
(
    account  LowCardinality(String),
    alert_id String CODEC(ZSTD(1)),
    version  Int64 CODEC(Delta, ZSTD(1)),
    ended_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (account, alert_id, version)
TTL toDateTime(ended_at) + INTERVAL 100 DAY
SETTINGS index_granularity = 256; -- a look asks for a few of them, again and again

-- The ids of other kinds do not come again.
CREATE MATERIALIZED VIEW IF NOT EXISTS alerts_ended TO alert_ends AS
SELECT account, alert_id, version, now64(3, 'UTC') AS ended_at
FROM alerts_versions
WHERE state = 'resolved' AND kind IN ('unanswered', 'plant');
