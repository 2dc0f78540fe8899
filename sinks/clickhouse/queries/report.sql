-- One row per account over all there is: the terminal report, and the live demo. Exact, from the views alone.
-- The clock is now; of posts of the past, replayed, the time at which the last of them was received. An hour that has not
-- passed by then is not yet a miss.
WITH
    (SELECT max(received_at) FROM interactions_versions) AS newest,
    if(newest < now64(3, 'UTC') - INTERVAL 1 DAY, newest, now64(3, 'UTC')) AS clock,
    posts AS
    (
        SELECT
            account,
            countIf(kind = 'mention') AS mentions,
            uniqExactIf(author_id, kind = 'mention') AS contacts,
            countIf(kind = 'reply' AND NOT automated) AS replies,
            countIf(kind = 'broadcast') AS broadcasts
        FROM interactions
        GROUP BY account
    ),
    responses AS
    (
        SELECT
            account,
            count() AS turns,
            countIf(status = 'answered') AS answered,
            countIf(status = 'open') AS open,
            minOrNullIf(opened_at, status = 'open') AS oldest_opened_at,
            quantileExactInclusiveOrNull(0.5)(response_seconds) AS response_p50,
            quantileExactInclusiveOrNull(0.9)(response_seconds) AS response_p90,
            countIf(answered_at <= opened_at + INTERVAL 1 HOUR) AS hits,
            countIf(opened_at + INTERVAL 1 HOUR < clock AND ifNull(answered_at > opened_at + INTERVAL 1 HOUR, true)) AS misses
        FROM turns
        GROUP BY account
    )
SELECT
    account,
    responses.turns AS turns,
    responses.answered AS answered,
    responses.open AS open,
    responses.oldest_opened_at AS oldest_opened_at,
    dateDiff('millisecond', responses.oldest_opened_at, clock) / 1000 AS oldest_seconds,
    responses.response_p50 AS response_p50,
    responses.response_p90 AS response_p90,
    responses.hits / nullIf(responses.hits + responses.misses, 0) AS within_1h,
    posts.replies / nullIf(posts.replies + posts.broadcasts, 0) AS reply_share,
    posts.mentions AS mentions,
    posts.replies AS replies,
    posts.contacts AS contacts
FROM posts
FULL OUTER JOIN responses USING (account)
ORDER BY turns DESC, account
