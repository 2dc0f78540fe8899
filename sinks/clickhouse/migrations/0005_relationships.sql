-- Relationships: what an account and each of its contacts have been to each other. docs/metrics.md has the definitions.
--
-- What needs everything that was ever said is computed every ten minutes and kept (`…_kept`); the rest when it is asked for.
-- It is computed from the view `interactions`, which shows a post once, as it was edited last, and no post that was withdrawn,
-- and each time anew. So it is exact: a view that adds up what is inserted would count a post again for each delivery, and
-- could take nothing back.
--
-- A refresh appends its rows, and they replace those of before, by ReplacingMergeTree. One that swaps whole tables would need
-- a database engine that the embedded ClickHouse has not. What no refresh writes any more, as the contact who withdrew their
-- only message, is still in the table: rows older than the last round of refreshes that came to its end are not shown.
--
-- Who and what is only counted, or joined, goes by a hash of 64 bits, in half the time that texts take:
-- the chance that two of fifty million conversations are taken for one is 1 in 15,000.

-- What an account and a contact wrote to each other. Machines' messages are no part of it. A reply that does not name its
-- contact goes to the author of the mention that it answers.
CREATE OR REPLACE VIEW contact_messages AS
SELECT
    account,
    if(kind = 'mention', author_id, contact_id) AS contact_id,
    kind = 'reply' AS outgoing,
    id,
    conversation_id,
    parent_id,
    published_at,
    text,
    url
FROM interactions AS message
WHERE (kind = 'mention' AND author_id != '') OR (kind = 'reply' AND message.contact_id != '' AND NOT automated)
UNION ALL
SELECT
    reply.account AS account,
    mention.author_id AS contact_id,
    true AS outgoing,
    reply.id AS id,
    reply.conversation_id AS conversation_id,
    reply.parent_id AS parent_id,
    reply.published_at AS published_at,
    reply.text AS text,
    reply.url AS url
FROM (SELECT account, id, author_id FROM interactions WHERE kind = 'mention' AND author_id != '') AS mention
INNER JOIN
(
    SELECT account, id, conversation_id, parent_id, published_at, text, url
    FROM interactions
    WHERE kind = 'reply' AND contact_id = '' AND parent_id != '' AND NOT automated
) AS reply
ON mention.account = reply.account AND mention.id = reply.parent_id;

-- One row per contact, from what was published up to `at`. A moment is twice a time in ms, and one more if the account spoke:
-- at the same millisecond the contact speaks first. `place` orders messages of one moment too, so that last_id, last_url and
-- last_text are of one message; it is a number, since tuples take many times as long. `tie` is the strength at `at`: all ties
-- fade alike, so it gives the strength at any later time. Likewise lapses_at and follow_up_at stay right as time passes.
-- `spans` has, for each message of the account that came more than three cadences after the contact's last, the contact's
-- moments before and after it; where there is none before or after, an odd one of the account's stands there. What the sorted
-- moments tell is not gathered beside them: each figure more is written to the disk and read again when memory runs out.
CREATE OR REPLACE VIEW contact_history AS
WITH
    told AS
    (
        SELECT
            *,
            toUnixTimestamp64Milli(published_at) * 2 + outgoing AS moment,
            bitShiftLeft(toUInt128(moment), 64) + cityHash64(id) AS place
        FROM contact_messages
        WHERE published_at <= {at:DateTime64(3, 'UTC')}
    ),
    gathered AS
    (
        SELECT
            account,
            contact_id,
            argMax(id, place) AS last_id,
            argMax(url, place) AS last_url,
            argMax(text, place) AS last_text,
            arraySort(groupArray(moment)) AS moments,
            groupArrayIf(cityHash64(text), NOT outgoing AND text != '') AS texts
        FROM told
        GROUP BY account, contact_id
    ),
    timed AS
    (
        SELECT
            *,
            arrayFilter(moment -> moment % 2 = 0, moments) AS theirs,
            fromUnixTimestamp64Milli(intDiv(moments[1], 2), 'UTC') AS first_at,
            fromUnixTimestamp64Milli(intDiv(moments[-1], 2), 'UTC') AS last_at,
            if(empty(theirs), NULL, fromUnixTimestamp64Milli(intDiv(theirs[1], 2), 'UTC')) AS first_in_at,
            if(empty(theirs), NULL, fromUnixTimestamp64Milli(intDiv(theirs[-1], 2), 'UTC')) AS last_in_at,
            moments[-1] % 2 = 1 AS ours,
            arrayPopFront(arrayDifference(theirs)) AS doubled_gaps,
            arraySort(arrayMap(gap -> intDiv(gap, 2), doubled_gaps)) AS gaps,
            toInt64(length(gaps)) AS size,
            if(size < 2, NULL, gaps[intDiv(size + 1, 2)] + gaps[intDiv(size + 2, 2)]) AS two_cadences,
            arrayFill(moment -> moment % 2 = 0, moments) AS before,
            arrayReverseFill(moment -> moment % 2 = 0, moments) AS after
        FROM gathered
    ),
    followed AS
    (
        SELECT
            *,
            arrayFilter(
                (span, moment) -> moment % 2 = 1 AND span.1 % 2 = 0
                    AND ifNull(moment - 1 - span.1 > 3 * two_cadences, false),
                arrayZip(before, after), moments) AS spans
        FROM timed
    )
SELECT
    account,
    contact_id,
    {at:DateTime64(3, 'UTC')} AS refreshed_at,
    first_at,
    last_at,
    first_in_at,
    last_in_at,
    toInt64(length(theirs)) AS messages_in,
    toInt64(length(moments)) - messages_in AS messages_out,
    arraySum(moment -> exp2((intDiv(moment, 2) - toUnixTimestamp64Milli(refreshed_at)) / 86400000 / 90), moments) AS tie,
    two_cadences / 2000 AS cadence_seconds,
    last_in_at + toIntervalMillisecond(intDiv(3 * two_cadences, 2)) AS lapses_at,
    if(ours, last_at + toIntervalMillisecond(intDiv(two_cadences + 1, 2)), last_at) AS follow_up_at,
    if(ours, 'account', 'contact') AS last_word,
    last_id,
    last_url,
    last_text,
    toInt64(arrayUniq(spans.1)) AS follow_ups,
    toInt64(arrayUniq(arrayFilter(next -> next % 2 = 0, spans.2))) AS came_back,
    if(size < 2, NULL, arrayReduce('stddevPop', gaps) / nullIf(arrayAvg(gaps), 0)) AS gap_variation,
    toInt64(length(texts) - arrayUniq(texts)) AS repeated_texts,
    toInt64(arrayCount(gap -> gap < 10000, gaps)) AS quick_messages
FROM followed;

-- Who speaks well of the account to others, of their own accord, on more than one day: by answering somebody in its threads,
-- or in a mention that answers nobody; and who speaks well more often than badly. Where no message of an account's public
-- has a sentiment, nobody has looked: there only answers count, and sentiment_known says so. A Float32 of 0.05 is above 0.05.
-- The evidence is gathered whole and sorted for advocates alone: groupArraySorted takes many times as long to keep five texts.
CREATE OR REPLACE VIEW advocates_now AS
WITH
    voices AS
    (
        SELECT
            *,
            account IN
            (
                SELECT account FROM interactions
                WHERE kind IN ('mention', 'peer')
                GROUP BY account
                HAVING countIf(sentiment != 0) > 0
            ) AS known,
            if(known, sentiment > toFloat32(0.05), kind = 'peer') AND (kind = 'peer' OR parent_id = '') AS speaks_well
        FROM interactions
        WHERE kind IN ('mention', 'peer') AND author_id != ''
    ),
    arraySlice(
        arrayPartialSort(5, groupArrayIf((-toUnixTimestamp64Milli(published_at), id, url, text), speaks_well)), 1, 5) AS evidence
SELECT
    account,
    author_id AS contact_id,
    toInt64(countIf(speaks_well)) AS messages,
    toInt64(countIf(speaks_well AND kind = 'peer')) AS peer_answers,
    toInt64(arrayUniq(groupArrayIf(toDate(published_at), speaks_well))) AS days,
    toInt64(countIf(sentiment < toFloat32(-0.05))) AS negative_messages,
    toBool(any(known)) AS sentiment_known,
    maxIf(published_at, speaks_well) AS last_at,
    evidence.2 AS evidence_ids,
    evidence.3 AS evidence_urls,
    evidence.4 AS evidence_texts
FROM voices
GROUP BY account, author_id
HAVING days >= 2 AND messages > negative_messages;

-- Who links conversations and people that would not know of each other. In a conversation of more than a hundred nobody meets
-- anybody: it counts as a conversation, and its people are not counted as met.
CREATE OR REPLACE VIEW bridges_now AS
WITH
    posts AS
    (
        SELECT
            account,
            author_id,
            cityHash64(account, author_id) AS person,
            if(conversation_id = '', 0, cityHash64(account, conversation_id)) AS conversation,
            arrayMap(hashtag -> cityHash64(lowerUTF8(hashtag)), hashtags) AS tags
        FROM interactions
        WHERE kind IN ('mention', 'peer') AND author_id != ''
    ),
    people AS
    (
        SELECT
            account,
            author_id AS contact_id,
            cityHash64(account, author_id) AS person,
            arrayUniq(groupArrayIf(conversation, conversation != 0)) AS conversations,
            arrayUniq(groupArrayArray(tags)) AS hashtags
        FROM posts
        GROUP BY account, author_id
    ),
    meetings AS
    (
        SELECT groupUniqArray(101)(person) AS present
        FROM posts
        WHERE conversation != 0
        GROUP BY conversation
        HAVING length(present) BETWEEN 2 AND 100
    ),
    acquaintances AS
    (
        SELECT person, length(groupUniqArrayArray(present)) - 1 AS met
        FROM meetings
        ARRAY JOIN present AS person
        GROUP BY person
    )
SELECT
    people.account AS account,
    people.contact_id AS contact_id,
    toInt64(people.conversations) AS conversations,
    toInt64(people.hashtags) AS hashtags,
    toInt64(acquaintances.met) AS contacts_met,
    hashtags + contacts_met AS communities
FROM people
LEFT JOIN acquaintances ON people.person = acquaintances.person;

-- A mention belongs to the broadcast at the root of its conversation, or to the one that it answers: to one at most, so that
-- posts can be summed.
CREATE OR REPLACE VIEW conversation_starters_now AS
WITH
    posts AS
    (
        SELECT account, id, cityHash64(account, id) AS post, published_at, text, url, hashtags
        FROM interactions
        WHERE kind = 'broadcast'
    ),
    answers AS
    (
        SELECT
            cityHash64(account, author_id) AS person,
            published_at,
            bitShiftLeft(toUInt128(toUnixTimestamp64Milli(published_at)), 64) + cityHash64(id) AS place,
            multiIf(
                cityHash64(account, conversation_id) IN (SELECT post FROM posts), cityHash64(account, conversation_id),
                cityHash64(account, parent_id) IN (SELECT post FROM posts), cityHash64(account, parent_id),
                0) AS post
        FROM interactions
        WHERE kind = 'mention' AND author_id != ''
    ),
    begun AS
    (
        SELECT post, uniqExact(person) AS threads, count() AS mentions FROM answers WHERE post != 0 GROUP BY post
    ),
    contacts AS
    (
        SELECT argMin(post, place) AS post, min(published_at) AS first_at, max(published_at) AS last_at
        FROM answers
        GROUP BY person
    ),
    met AS
    (
        SELECT
            post,
            count() AS contacts,
            countIf(first_at + INTERVAL 30 DAY <= now64(3, 'UTC')) AS decided_30d,
            countIf(last_at >= first_at + INTERVAL 30 DAY) AS active_30d,
            countIf(first_at + INTERVAL 365 DAY <= now64(3, 'UTC')) AS decided_365d,
            countIf(last_at >= first_at + INTERVAL 365 DAY) AS active_365d
        FROM contacts
        WHERE post != 0
        GROUP BY post
    )
SELECT
    posts.account AS account,
    posts.id AS id,
    posts.published_at AS published_at,
    posts.text AS text,
    posts.url AS url,
    posts.hashtags AS hashtags,
    toInt64(begun.threads) AS threads,
    toInt64(begun.mentions) AS mentions,
    toInt64(met.contacts) AS contacts_met,
    toInt64(met.decided_30d) AS decided_30d,
    toInt64(met.active_30d) AS active_30d,
    toInt64(met.decided_365d) AS decided_365d,
    toInt64(met.active_365d) AS active_365d
FROM posts
LEFT JOIN begun ON posts.post = begun.post
LEFT JOIN met ON posts.post = met.post;

-- Each unfollow, block, hide or spam report, and what the account did in the 24 h before. An opt-out is compared with the
-- account's messages of its own day and of the day before, and with no others: joined on the times alone, all would meet all.
-- The opt-outs are what the join keeps in memory, for they are few; the messages pass by.
CREATE OR REPLACE VIEW opt_outs_now AS
WITH
    departures AS
    (
        SELECT account, id, if(contact_id != '', contact_id, author_id) AS contact, published_at AS opted_out_at, text
        FROM interactions
        WHERE kind = 'opt_out'
    ),
    departures_by_day AS
    (
        SELECT account, id, contact, opted_out_at, arrayJoin([toDate(opted_out_at), toDate(opted_out_at) - 1]) AS day
        FROM departures
    ),
    acts AS
    (
        SELECT
            account,
            toDate(published_at) AS day,
            id,
            kind,
            contact_id AS contact,
            automated,
            published_at,
            url,
            text,
            bitShiftLeft(toUInt128(toUnixTimestamp64Milli(published_at)), 64) + cityHash64(id) AS place
        FROM interactions
        WHERE kind IN ('reply', 'broadcast') AND (account, day) IN (SELECT account, day FROM departures_by_day)
    ),
    compared AS
    (
        SELECT
            departures_by_day.account AS account,
            departures_by_day.id AS id,
            acts.* EXCEPT (account, id, day, contact),
            acts.id AS act_id,
            acts.kind = 'reply' AND acts.contact = departures_by_day.contact AS addressed,
            addressed OR acts.kind = 'broadcast' AS seen
        FROM acts
        INNER JOIN departures_by_day ON acts.account = departures_by_day.account AND acts.day = departures_by_day.day
        WHERE acts.published_at < opted_out_at AND acts.published_at >= opted_out_at - INTERVAL 24 HOUR
    ),
    before AS
    (
        SELECT
            account,
            id,
            countIf(addressed AND NOT automated) AS replies_to_contact,
            countIf(addressed AND automated) AS automated_to_contact,
            countIf(kind = 'broadcast') AS broadcasts,
            countIf(kind = 'reply' AND NOT automated) AS replies,
            maxOrNullIf(published_at, seen) AS last_at,
            argMaxIf(kind, place, seen) AS last_kind,
            argMaxIf(act_id, place, seen) AS last_id,
            argMaxIf(url, place, seen) AS last_url,
            argMaxIf(text, place, seen) AS last_text
        FROM compared
        GROUP BY account, id
    )
SELECT
    departures.account AS account,
    departures.id AS id,
    departures.contact AS contact_id,
    departures.opted_out_at AS opted_out_at,
    departures.text AS text,
    toInt64(before.replies_to_contact) AS replies_to_contact,
    toInt64(before.automated_to_contact) AS automated_to_contact,
    toInt64(before.broadcasts) AS broadcasts,
    toInt64(before.replies) AS replies,
    before.last_at AS last_at,
    before.last_kind AS last_kind,
    before.last_id AS last_id,
    before.last_url AS last_url,
    before.last_text AS last_text
FROM departures
LEFT JOIN before ON departures.account = before.account AND departures.id = before.id;

CREATE TABLE IF NOT EXISTS contacts_kept
(
    account         LowCardinality(String),
    contact_id      String CODEC(ZSTD(1)),
    refreshed_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    first_at        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    last_at         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    first_in_at     Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_in_at      Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    messages_in     Int64 CODEC(T64, ZSTD(1)),
    messages_out    Int64 CODEC(T64, ZSTD(1)),
    tie             Float64 CODEC(ZSTD(1)),
    cadence_seconds Nullable(Float64) CODEC(ZSTD(1)),
    lapses_at       Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    follow_up_at    Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_word       LowCardinality(String),
    last_id         String CODEC(ZSTD(1)),
    last_url        String CODEC(ZSTD(3)),
    last_text       String CODEC(ZSTD(3)),
    follow_ups      Int64 CODEC(T64, ZSTD(1)),
    came_back       Int64 CODEC(T64, ZSTD(1)),
    gap_variation   Nullable(Float64) CODEC(ZSTD(1)),
    repeated_texts  Int64 CODEC(T64, ZSTD(1)),
    quick_messages  Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
ORDER BY (account, contact_id);

CREATE TABLE IF NOT EXISTS advocates_kept
(
    account           LowCardinality(String),
    contact_id        String CODEC(ZSTD(1)),
    messages          Int64 CODEC(T64, ZSTD(1)),
    peer_answers      Int64 CODEC(T64, ZSTD(1)),
    days              Int64 CODEC(T64, ZSTD(1)),
    negative_messages Int64 CODEC(T64, ZSTD(1)),
    sentiment_known   Bool,
    last_at           DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    evidence_ids      Array(String) CODEC(ZSTD(1)),
    evidence_urls     Array(String) CODEC(ZSTD(3)),
    evidence_texts    Array(String) CODEC(ZSTD(3)),
    refreshed_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
ORDER BY (account, contact_id);

CREATE TABLE IF NOT EXISTS bridges_kept
(
    account       LowCardinality(String),
    contact_id    String CODEC(ZSTD(1)),
    conversations Int64 CODEC(T64, ZSTD(1)),
    hashtags      Int64 CODEC(T64, ZSTD(1)),
    contacts_met  Int64 CODEC(T64, ZSTD(1)),
    communities   Int64 CODEC(T64, ZSTD(1)),
    refreshed_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
ORDER BY (account, contact_id);

CREATE TABLE IF NOT EXISTS conversation_starters_kept
(
    account      LowCardinality(String),
    id           String CODEC(ZSTD(1)),
    published_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    text         String CODEC(ZSTD(3)),
    url          String CODEC(ZSTD(3)),
    hashtags     Array(String) CODEC(ZSTD(1)),
    threads      Int64 CODEC(T64, ZSTD(1)),
    mentions     Int64 CODEC(T64, ZSTD(1)),
    contacts_met Int64 CODEC(T64, ZSTD(1)),
    decided_30d  Int64 CODEC(T64, ZSTD(1)),
    active_30d   Int64 CODEC(T64, ZSTD(1)),
    decided_365d Int64 CODEC(T64, ZSTD(1)),
    active_365d  Int64 CODEC(T64, ZSTD(1)),
    refreshed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
ORDER BY (account, id);

CREATE TABLE IF NOT EXISTS opt_outs_kept
(
    account              LowCardinality(String),
    id                   String CODEC(ZSTD(1)),
    contact_id           String CODEC(ZSTD(1)),
    opted_out_at         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    text                 String CODEC(ZSTD(3)),
    replies_to_contact   Int64 CODEC(T64, ZSTD(1)),
    automated_to_contact Int64 CODEC(T64, ZSTD(1)),
    broadcasts           Int64 CODEC(T64, ZSTD(1)),
    replies              Int64 CODEC(T64, ZSTD(1)),
    last_at              Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_kind            LowCardinality(String),
    last_id              String CODEC(ZSTD(1)),
    last_url             String CODEC(ZSTD(3)),
    last_text            String CODEC(ZSTD(3)),
    refreshed_at         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
ORDER BY (account, opted_out_at, id);

-- Rounds of refreshes: when the latest began, and when the one began that came to its end last.
CREATE TABLE IF NOT EXISTS refreshes (name LowCardinality(String), refreshed_at DateTime64(3, 'UTC'))
ENGINE = ReplacingMergeTree(refreshed_at)
ORDER BY name;

-- While a round has not come to its end, because it is slow or one of its refreshes failed, none begins: the next refreshes
-- belong to it.
CREATE MATERIALIZED VIEW IF NOT EXISTS round_begins REFRESH EVERY 10 MINUTE APPEND TO refreshes EMPTY AS
SELECT 'begun' AS name, now64(3, 'UTC') AS refreshed_at
WHERE (SELECT max(refreshed_at) FROM refreshes WHERE name = 'begun')
    = (SELECT max(refreshed_at) FROM refreshes WHERE name = 'ended');

-- Each in one thread, and on the disk what is large: people who ask come first.
CREATE MATERIALIZED VIEW IF NOT EXISTS contacts_refresh REFRESH EVERY 10 MINUTE DEPENDS ON round_begins
APPEND TO contacts_kept EMPTY AS
SELECT * FROM contact_history(at = now64(3, 'UTC'))
SETTINGS max_threads = 1, max_bytes_before_external_group_by = 2000000000;

CREATE MATERIALIZED VIEW IF NOT EXISTS advocates_refresh REFRESH EVERY 10 MINUTE DEPENDS ON round_begins
APPEND TO advocates_kept EMPTY AS
SELECT *, now64(3, 'UTC') AS refreshed_at FROM advocates_now
SETTINGS max_threads = 1, max_bytes_before_external_group_by = 2000000000;

CREATE MATERIALIZED VIEW IF NOT EXISTS bridges_refresh REFRESH EVERY 10 MINUTE DEPENDS ON round_begins
APPEND TO bridges_kept EMPTY AS
SELECT *, now64(3, 'UTC') AS refreshed_at FROM bridges_now
SETTINGS max_threads = 1, max_bytes_before_external_group_by = 2000000000;

CREATE MATERIALIZED VIEW IF NOT EXISTS conversation_starters_refresh REFRESH EVERY 10 MINUTE DEPENDS ON round_begins
APPEND TO conversation_starters_kept EMPTY AS
SELECT *, now64(3, 'UTC') AS refreshed_at FROM conversation_starters_now
SETTINGS max_threads = 1, max_bytes_before_external_group_by = 2000000000;

CREATE MATERIALIZED VIEW IF NOT EXISTS opt_outs_refresh REFRESH EVERY 10 MINUTE DEPENDS ON round_begins
APPEND TO opt_outs_kept EMPTY AS
SELECT *, now64(3, 'UTC') AS refreshed_at FROM opt_outs_now
SETTINGS max_threads = 1, max_bytes_before_external_group_by = 2000000000;

CREATE MATERIALIZED VIEW IF NOT EXISTS round_ends REFRESH EVERY 10 MINUTE
DEPENDS ON contacts_refresh, advocates_refresh, bridges_refresh, conversation_starters_refresh, opt_outs_refresh APPEND TO refreshes EMPTY AS
SELECT 'ended' AS name, max(round.refreshed_at) AS refreshed_at FROM refreshes AS round WHERE round.name = 'begun';

CREATE OR REPLACE VIEW contacts AS
SELECT * FROM contacts_kept FINAL
WHERE refreshed_at >= (SELECT max(refreshed_at) FROM refreshes WHERE name = 'ended');

CREATE OR REPLACE VIEW advocates AS
SELECT * FROM advocates_kept FINAL
WHERE refreshed_at >= (SELECT max(refreshed_at) FROM refreshes WHERE name = 'ended');

CREATE OR REPLACE VIEW bridges AS
SELECT * FROM bridges_kept FINAL
WHERE refreshed_at >= (SELECT max(refreshed_at) FROM refreshes WHERE name = 'ended');

CREATE OR REPLACE VIEW conversation_starters AS
SELECT * FROM conversation_starters_kept FINAL
WHERE refreshed_at >= (SELECT max(refreshed_at) FROM refreshes WHERE name = 'ended');

CREATE OR REPLACE VIEW opt_outs AS
SELECT * FROM opt_outs_kept FINAL
WHERE refreshed_at >= (SELECT max(refreshed_at) FROM refreshes WHERE name = 'ended');

-- As of now, from the last refresh. Without parameters, since BI tools list and filter a view as they do a table.
CREATE OR REPLACE VIEW relationships AS
SELECT
    account,
    contact_id,
    first_at,
    last_at,
    messages_in,
    messages_out,
    tie * exp2(-dateDiff('millisecond', refreshed_at, now64(3, 'UTC')) / 86400000 / 90) AS tie_strength,
    least(messages_in, messages_out) / greatest(messages_in, messages_out) AS reciprocity,
    cadence_seconds,
    lapses_at,
    toBool(lapses_at < now64(3, 'UTC')) AS lapsed,
    last_word,
    follow_up_at,
    toBool(follow_up_at <= now64(3, 'UTC')) AS follow_up_due,
    follow_ups,
    came_back,
    last_id,
    last_url,
    last_text,
    refreshed_at
FROM contacts;

-- The same as of any moment, from what was published up to then: for the past, and where nothing has been refreshed.
CREATE OR REPLACE VIEW relationships_at AS
SELECT
    account,
    contact_id,
    first_at,
    last_at,
    messages_in,
    messages_out,
    tie AS tie_strength,
    least(messages_in, messages_out) / greatest(messages_in, messages_out) AS reciprocity,
    cadence_seconds,
    lapses_at,
    toBool(lapses_at < refreshed_at) AS lapsed,
    last_word,
    follow_up_at,
    toBool(follow_up_at <= refreshed_at) AS follow_up_due,
    follow_ups,
    came_back,
    last_id,
    last_url,
    last_text,
    refreshed_at
FROM contact_history(at = {at:DateTime64(3, 'UTC')});

CREATE OR REPLACE VIEW lapsed AS
SELECT account, contact_id, tie_strength, cadence_seconds, lapses_at, last_at, last_word, last_id, last_url, last_text
FROM relationships
WHERE lapsed
ORDER BY tie_strength DESC, account, contact_id;

CREATE OR REPLACE VIEW follow_ups AS
SELECT account, contact_id, tie_strength, cadence_seconds, follow_up_at, last_at, last_word, last_id, last_url, last_text
FROM relationships
WHERE follow_up_due
ORDER BY tie_strength DESC, account, contact_id;

-- A month is decided when its last day is so long ago: before that some of its contacts have not had the time.
CREATE OR REPLACE VIEW cohorts AS
SELECT
    account,
    toStartOfMonth(assumeNotNull(first_in_at)) AS month,
    toInt64(count()) AS contacts,
    if(addMonths(month, 2) > now64(3, 'UTC'), NULL, toInt64(countIf(last_in_at >= addMonths(first_in_at, 1)))) AS active_1m,
    if(addMonths(month, 4) > now64(3, 'UTC'), NULL, toInt64(countIf(last_in_at >= addMonths(first_in_at, 3)))) AS active_3m,
    if(addMonths(month, 13) > now64(3, 'UTC'), NULL, toInt64(countIf(last_in_at >= addMonths(first_in_at, 12)))) AS active_12m,
    if(addMonths(month, 37) > now64(3, 'UTC'), NULL, toInt64(countIf(last_in_at >= addMonths(first_in_at, 36)))) AS active_36m
FROM contacts
WHERE messages_in > 0
GROUP BY account, month;

CREATE OR REPLACE VIEW starting_hashtags AS
SELECT
    account,
    hashtag,
    toInt64(count()) AS posts,
    sum(threads) AS threads,
    sum(mentions) AS mentions,
    sum(contacts_met) AS contacts_met,
    sum(decided_30d) AS decided_30d,
    sum(active_30d) AS active_30d,
    sum(decided_365d) AS decided_365d,
    sum(active_365d) AS active_365d
FROM conversation_starters
ARRAY JOIN arrayDistinct(arrayMap(hashtag -> lowerUTF8(hashtag), hashtags)) AS hashtag
GROUP BY account, hashtag;

-- Signs that a contact's messages are made by a machine. A person may show any of them.
CREATE OR REPLACE VIEW automation_suspicion AS
SELECT
    account,
    contact_id,
    messages_in AS messages,
    gap_variation,
    repeated_texts / messages AS repeated_share,
    quick_messages / (messages - 1) AS quick_share,
    arrayFilter(reason -> reason != '', [
        if(ifNull(gap_variation < 0.1, true), 'regular gaps', ''),
        if(repeated_share >= 0.5, 'repeated texts', ''),
        if(quick_share >= 0.5, 'bursts', '')]) AS reasons,
    ['none', 'some', 'considerable', 'strong'][length(reasons) + 1] AS suspicion
FROM contacts
WHERE messages_in >= 10;
