-- Panes and turns once more, by time: what is asked about all accounts reads the hours that it is about. By account, as the tables
-- themselves are ordered, that would be a month of every account. The second tables hold what is asked about all accounts at
-- once, and no more. What lands goes to both in one insert.
--
-- The time is the key's first part as it is: ClickHouse does not look through toStartOfHour of a DateTime64.

CREATE TABLE IF NOT EXISTS panes_by_time_versions
(
    account          LowCardinality(String),
    minute           DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    mentions         Int64 CODEC(T64, ZSTD(1)),
    replies          Int64 CODEC(T64, ZSTD(1)),
    broadcasts       Int64 CODEC(T64, ZSTD(1)),
    within_1h_hits   Int64 CODEC(T64, ZSTD(1)),
    within_1h_misses Int64 CODEC(T64, ZSTD(1)),
    sla_met          Int64 CODEC(T64, ZSTD(1)),
    sla_missed       Int64 CODEC(T64, ZSTD(1)),
    version          Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, account)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS panes_landing AS panes_versions ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS panes_landed TO panes_versions AS
SELECT * FROM panes_landing;

CREATE MATERIALIZED VIEW IF NOT EXISTS panes_landed_by_time TO panes_by_time_versions AS
SELECT account, minute, mentions, replies, broadcasts, within_1h_hits, within_1h_misses, sla_met, sla_missed, version
FROM panes_landing;

-- `waits_until`: when it was answered; far ahead while nobody has, and when it was opened if it has expired or was withdrawn. By its
-- index the hours in which nobody waits any more are passed over.
CREATE TABLE IF NOT EXISTS turns_by_time_versions
(
    account     LowCardinality(String),
    turn_id     String CODEC(ZSTD(1)),
    opened_at   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    due_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    waits_until DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version     Int64 CODEC(Delta, ZSTD(1)),
    INDEX waited waits_until TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(opened_at)
ORDER BY (opened_at, account, turn_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS turns_landing AS turns_versions ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS turns_landed TO turns_versions AS
SELECT * FROM turns_landing;

CREATE MATERIALIZED VIEW IF NOT EXISTS turns_landed_by_time TO turns_by_time_versions AS
SELECT
    account,
    turn_id,
    opened_at,
    due_at,
    if(status = 'open', toDateTime64('2200-01-01 00:00:00', 3, 'UTC'), ifNull(answered_at, opened_at)) AS waits_until,
    version
FROM turns_landing;

CREATE OR REPLACE VIEW panes_by_time AS
SELECT * EXCEPT (version) FROM panes_by_time_versions FINAL;

CREATE OR REPLACE VIEW turns_by_time AS
SELECT * EXCEPT (version) FROM turns_by_time_versions FINAL;
