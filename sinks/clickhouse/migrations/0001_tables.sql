-- Tables hold versions of rows; 0002_views.sql has what users see. A table's columns are the fields of its schema
-- (schemas/*.avsc), by name: the sink hands the records over undecoded.
--
-- ReplacingMergeTree keeps the row of the highest version per ORDER BY key, so that a row may come twice, late or out of
-- order. A key therefore never moves. Every integer is Int64, as it is in the schema: a narrower or unsigned column would
-- wrap in silence. Every time is DateTime64(3, 'UTC'): DateTime and DateTime64(6) misread Avro's milliseconds in silence.
--
-- Settings of every table: keep the tokens of the last inserts, so that one tried again is not stored twice; write through
-- to disk before acknowledging, since Kafka's offsets are committed after that. Of those partitioned by month: merge a
-- month that is an hour old into one part, since parts are what FINAL costs.
--
-- `landed_at`: when ClickHouse took the row in. With its index, who asks again and again what has changed reads only that.

-- Interactions, ticks of the clock included: nothing is stored here. A dozen ticks a second would be most of a quiet
-- plant's rows, and the sink cannot tell them apart without decoding.
CREATE TABLE IF NOT EXISTS interactions_landing
(
    id               String,
    network          LowCardinality(String),
    account          LowCardinality(String),
    kind             LowCardinality(String),
    author_id        String,
    author_name      String,
    author_followers Int64 DEFAULT -1,
    contact_id       String,
    conversation_id  String,
    parent_id        String,
    published_at     DateTime64(3, 'UTC'),
    received_at      DateTime64(3, 'UTC'),
    text             String,
    lang             LowCardinality(String),
    sentiment        Float32,
    template         Int64,
    hashtags         Array(String),
    links            Array(String),
    url              String,
    automated        Bool,
    revision         Int64,
    likes            Int64 DEFAULT -1,
    shares           Int64 DEFAULT -1,
    comments         Int64 DEFAULT -1,
    impressions      Int64 DEFAULT -1,
    source           LowCardinality(String)
)
ENGINE = Null;

-- The kind is part of the key: a withdrawal, or a counter snapshot, has the id of its post and may have its time.
CREATE TABLE IF NOT EXISTS interactions_versions
(
    id               String CODEC(ZSTD(1)),
    network          LowCardinality(String),
    account          LowCardinality(String),
    kind             LowCardinality(String),
    author_id        String CODEC(ZSTD(1)),
    author_name      String CODEC(ZSTD(1)),
    author_followers Int64 DEFAULT -1 CODEC(T64, ZSTD(1)),
    contact_id       String CODEC(ZSTD(1)),
    conversation_id  String CODEC(ZSTD(1)),
    parent_id        String CODEC(ZSTD(1)),
    published_at     DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    text             String CODEC(ZSTD(3)),
    lang             LowCardinality(String),
    sentiment        Float32 CODEC(ZSTD(1)),
    template         Int64 CODEC(ZSTD(1)),
    hashtags         Array(String) CODEC(ZSTD(1)),
    links            Array(String) CODEC(ZSTD(3)),
    url              String CODEC(ZSTD(3)),
    automated        Bool,
    revision         Int64 CODEC(T64, ZSTD(1)),
    likes            Int64 DEFAULT -1 CODEC(T64, ZSTD(1)),
    shares           Int64 DEFAULT -1 CODEC(T64, ZSTD(1)),
    comments         Int64 DEFAULT -1 CODEC(T64, ZSTD(1)),
    impressions      Int64 DEFAULT -1 CODEC(T64, ZSTD(1)),
    source           LowCardinality(String)
)
ENGINE = ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(published_at)
ORDER BY (account, published_at, id, kind)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS interactions_landed TO interactions_versions AS
SELECT * FROM interactions_landing WHERE kind != 'tick';

-- What was withdrawn, once more: whoever asks for posts has to know, and would otherwise look through all there are.
CREATE TABLE IF NOT EXISTS withdrawals (account LowCardinality(String), id String CODEC(ZSTD(1)))
ENGINE = ReplacingMergeTree
ORDER BY (account, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS withdrawals_landed TO withdrawals AS
SELECT account, id FROM interactions_landing WHERE kind = 'withdrawal';

-- How many followers an account had whenever that was told, once more: the last time may be long ago, and whoever asks would otherwise
-- look through all that was said since. Of what is told of the same moment the most stands, as in the stream.
CREATE TABLE IF NOT EXISTS followers_told
(
    account   LowCardinality(String),
    told_at   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    followers Int64 CODEC(T64, ZSTD(1)),
    source    LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (account, told_at, followers)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS followers_landed TO followers_told AS
SELECT account, published_at AS told_at, author_followers AS followers, source
FROM interactions_landing
WHERE kind = 'profile' AND author_followers >= 0;

-- The index finds an account's few open turns among its many closed ones.
CREATE TABLE IF NOT EXISTS turns_versions
(
    account          LowCardinality(String),
    turn_id          String CODEC(ZSTD(1)),
    contact_id       String CODEC(ZSTD(1)),
    conversation_id  String CODEC(ZSTD(1)),
    ordinal          Int64 DEFAULT 1 CODEC(T64, ZSTD(1)),
    opened_at        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    messages         Int64 DEFAULT 1 CODEC(T64, ZSTD(1)),
    status           LowCardinality(String),
    answered_at      Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    reply_id         String CODEC(ZSTD(1)),
    response_seconds Nullable(Float64) CODEC(ZSTD(1)),
    business_seconds Nullable(Float64) CODEC(ZSTD(1)),
    automated_at     Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    due_at           DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    sla              LowCardinality(String),
    skewed           Bool,
    version          Int64 CODEC(Delta, ZSTD(1)),
    landed_at        DateTime64(3, 'UTC') MATERIALIZED now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX open_turns status TYPE set(4) GRANULARITY 1,
    INDEX landed landed_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(opened_at)
ORDER BY (account, opened_at, turn_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS panes_versions
(
    account               LowCardinality(String),
    minute                DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    mentions              Int64 CODEC(T64, ZSTD(1)),
    replies               Int64 CODEC(T64, ZSTD(1)),
    automated_replies     Int64 CODEC(T64, ZSTD(1)),
    broadcasts            Int64 CODEC(T64, ZSTD(1)),
    peer_answers          Int64 CODEC(T64, ZSTD(1)),
    turns                 Int64 CODEC(T64, ZSTD(1)),
    turns_answered        Int64 CODEC(T64, ZSTD(1)),
    reopened              Int64 CODEC(T64, ZSTD(1)),
    answered              Int64 CODEC(T64, ZSTD(1)),
    first_answered        Int64 CODEC(T64, ZSTD(1)),
    response_samples      Int64 CODEC(T64, ZSTD(1)),
    response_milliseconds Int64 CODEC(T64, ZSTD(1)),
    within_15m_hits       Int64 CODEC(T64, ZSTD(1)),
    within_15m_misses     Int64 CODEC(T64, ZSTD(1)),
    within_1h_hits        Int64 CODEC(T64, ZSTD(1)),
    within_1h_misses      Int64 CODEC(T64, ZSTD(1)),
    within_24h_hits       Int64 CODEC(T64, ZSTD(1)),
    within_24h_misses     Int64 CODEC(T64, ZSTD(1)),
    sla_met               Int64 CODEC(T64, ZSTD(1)),
    sla_missed            Int64 CODEC(T64, ZSTD(1)),
    clock_skew            Int64 CODEC(T64, ZSTD(1)),
    too_late              Int64 CODEC(T64, ZSTD(1)),
    likes                 Int64 CODEC(T64, ZSTD(1)),
    shares                Int64 CODEC(T64, ZSTD(1)),
    comments              Int64 CODEC(T64, ZSTD(1)),
    impressions           Int64 CODEC(T64, ZSTD(1)),
    stale_snapshots       Int64 CODEC(T64, ZSTD(1)),
    negative_mentions     Int64 CODEC(T64, ZSTD(1)),
    opt_outs              Int64 CODEC(T64, ZSTD(1)),
    promoting             Int64 CODEC(T64, ZSTD(1)),
    first_buckets         Array(Int32) CODEC(ZSTD(1)),
    first_counts          Array(Int32) CODEC(ZSTD(1)),
    next_buckets          Array(Int32) CODEC(ZSTD(1)),
    next_counts           Array(Int32) CODEC(ZSTD(1)),
    version               Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(minute)
ORDER BY (account, minute)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS rolling_versions
(
    account               LowCardinality(String),
    window                LowCardinality(String),
    as_of                 DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    mentions              Int64 CODEC(T64, ZSTD(1)),
    replies               Int64 CODEC(T64, ZSTD(1)),
    automated_replies     Int64 CODEC(T64, ZSTD(1)),
    broadcasts            Int64 CODEC(T64, ZSTD(1)),
    peer_answers          Int64 CODEC(T64, ZSTD(1)),
    turns                 Int64 CODEC(T64, ZSTD(1)),
    turns_answered        Int64 CODEC(T64, ZSTD(1)),
    reopened              Int64 CODEC(T64, ZSTD(1)),
    answered              Int64 CODEC(T64, ZSTD(1)),
    first_answered        Int64 CODEC(T64, ZSTD(1)),
    response_samples      Int64 CODEC(T64, ZSTD(1)),
    response_milliseconds Int64 CODEC(T64, ZSTD(1)),
    within_15m_hits       Int64 CODEC(T64, ZSTD(1)),
    within_15m_misses     Int64 CODEC(T64, ZSTD(1)),
    within_1h_hits        Int64 CODEC(T64, ZSTD(1)),
    within_1h_misses      Int64 CODEC(T64, ZSTD(1)),
    within_24h_hits       Int64 CODEC(T64, ZSTD(1)),
    within_24h_misses     Int64 CODEC(T64, ZSTD(1)),
    sla_met               Int64 CODEC(T64, ZSTD(1)),
    sla_missed            Int64 CODEC(T64, ZSTD(1)),
    clock_skew            Int64 CODEC(T64, ZSTD(1)),
    too_late              Int64 CODEC(T64, ZSTD(1)),
    likes                 Int64 CODEC(T64, ZSTD(1)),
    shares                Int64 CODEC(T64, ZSTD(1)),
    comments              Int64 CODEC(T64, ZSTD(1)),
    impressions           Int64 CODEC(T64, ZSTD(1)),
    stale_snapshots       Int64 CODEC(T64, ZSTD(1)),
    negative_mentions     Int64 CODEC(T64, ZSTD(1)),
    opt_outs              Int64 CODEC(T64, ZSTD(1)),
    promoting             Int64 CODEC(T64, ZSTD(1)),
    contacts              Int64 CODEC(T64, ZSTD(1)),
    conversations         Int64 CODEC(T64, ZSTD(1)),
    alternations          Int64 CODEC(T64, ZSTD(1)),
    reach_2               Int64 CODEC(T64, ZSTD(1)),
    reach_3               Int64 CODEC(T64, ZSTD(1)),
    reach_5               Int64 CODEC(T64, ZSTD(1)),
    templated_replies     Int64 CODEC(T64, ZSTD(1)),
    response_p50          Nullable(Float64) CODEC(ZSTD(1)),
    response_p90          Nullable(Float64) CODEC(ZSTD(1)),
    response_p99          Nullable(Float64) CODEC(ZSTD(1)),
    first_response_p50    Nullable(Float64) CODEC(ZSTD(1)),
    next_response_p50     Nullable(Float64) CODEC(ZSTD(1)),
    band_followers        Array(Int32) CODEC(ZSTD(1)),
    band_turns            Array(Int32) CODEC(ZSTD(1)),
    band_turns_answered   Array(Int32) CODEC(ZSTD(1)),
    band_milliseconds     Array(Int64) CODEC(ZSTD(1)),
    unanswered            Int64 CODEC(T64, ZSTD(1)),
    at_risk               Int64 CODEC(T64, ZSTD(1)),
    breached              Int64 CODEC(T64, ZSTD(1)),
    oldest_opened_at      Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    followers             Nullable(Int64) CODEC(T64, ZSTD(1)),
    version               Int64 CODEC(Delta, ZSTD(1)),
    landed_at             DateTime64(3, 'UTC') MATERIALIZED now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX landed landed_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(as_of)
ORDER BY (account, window, as_of)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- An alert has one row for its whole life, whenever its states began: no partitions.
CREATE TABLE IF NOT EXISTS alerts_versions
(
    account    LowCardinality(String),
    alert_id   String CODEC(ZSTD(1)),
    kind       LowCardinality(String),
    severity   LowCardinality(String),
    state      LowCardinality(String),
    subject    String CODEC(ZSTD(1)),
    contact_id String CODEC(ZSTD(1)),
    escalation Int64 CODEC(T64, ZSTD(1)),
    rule       LowCardinality(String),
    opened_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    due_at     DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    fired_at   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    value      Nullable(Float64) CODEC(ZSTD(1)),
    baseline   Nullable(Float64) CODEC(ZSTD(1)),
    spread     Nullable(Float64) CODEC(ZSTD(1)),
    version    Int64 CODEC(Delta, ZSTD(1)),
    landed_at  DateTime64(3, 'UTC') MATERIALIZED now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX landed landed_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (account, alert_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The same input set aside twice is one row, whenever that was: no partitions.
CREATE TABLE IF NOT EXISTS dead_letters_versions
(
    source  LowCardinality(String),
    reason  LowCardinality(String),
    error   String CODEC(ZSTD(3)),
    place   String CODEC(ZSTD(1)),
    payload String CODEC(ZSTD(3)),
    at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    earlier Int64 MATERIALIZED -toUnixTimestamp64Milli(at) -- set aside again by a replay, it stands as it was at first
)
ENGINE = ReplacingMergeTree(earlier)
ORDER BY (source, place, reason)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
