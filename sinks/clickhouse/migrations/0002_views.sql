-- What users see. FINAL shows the highest version of each row and stays inside the views. `version` is plumbing and is not
-- shown: the same input, stored again, changes no row of any view. A rate is NULL where there is nothing to divide by.

-- Posts that were withdrawn stay hidden however often they are delivered again.
CREATE OR REPLACE VIEW interactions AS
SELECT * FROM interactions_versions FINAL
WHERE kind != 'withdrawal' AND (account, id) NOT IN (SELECT account, id FROM withdrawals);

CREATE OR REPLACE VIEW turns AS
SELECT * EXCEPT (version) FROM turns_versions FINAL WHERE status != 'withdrawn';

CREATE OR REPLACE VIEW panes AS
SELECT * EXCEPT (version) FROM panes_versions FINAL;

CREATE OR REPLACE VIEW rolling AS
SELECT
    * EXCEPT (version, band_followers, band_turns, band_turns_answered, band_milliseconds),
    turns_answered / nullIf(turns, 0) AS response_rate,
    response_milliseconds / 1000 / nullIf(response_samples, 0) AS response_mean_seconds,
    within_15m_hits / nullIf(within_15m_hits + within_15m_misses, 0) AS within_15m,
    within_1h_hits / nullIf(within_1h_hits + within_1h_misses, 0) AS within_1h,
    within_24h_hits / nullIf(within_24h_hits + within_24h_misses, 0) AS within_24h,
    sla_met / nullIf(sla_met + sla_missed, 0) AS sla,
    replies / nullIf(replies + broadcasts, 0) AS reply_share,
    likes / nullIf(broadcasts, 0) AS applause,
    shares / nullIf(broadcasts, 0) AS amplification,
    comments / nullIf(broadcasts, 0) AS conversation_rate,
    (likes + shares + comments) / nullIf(impressions, 0) AS engagement_by_impressions,
    negative_mentions / nullIf(mentions, 0) AS negative_share,
    promoting / nullIf(broadcasts, 0) AS self_promotion_share,
    templated_replies / nullIf(replies, 0) AS templated_share,
    (likes + shares + comments) / nullIf(followers, 0) AS engagement_by_followers
FROM rolling_versions FINAL;

CREATE OR REPLACE VIEW alerts AS
SELECT * EXCEPT (version) FROM alerts_versions FINAL;

CREATE OR REPLACE VIEW dead_letters AS
SELECT * FROM dead_letters_versions FINAL;

-- For comparison with published research: per contact message that has one, the earliest reply that points at it.
-- Times are as the networks give them: where their clocks disagree, response_seconds is negative.
CREATE OR REPLACE VIEW message_responses AS
SELECT
    message.account AS account,
    message.id AS message_id,
    reply.replied_at AS replied_at,
    (toUnixTimestamp64Milli(reply.replied_at) - toUnixTimestamp64Milli(message.published_at)) / 1000 AS response_seconds
FROM (SELECT account, id, published_at FROM interactions WHERE kind = 'mention') AS message
INNER JOIN
(
    SELECT account, parent_id, min(published_at) AS replied_at
    FROM interactions
    WHERE kind = 'reply' AND NOT automated AND parent_id != ''
    GROUP BY account, parent_id
) AS reply
ON message.account = reply.account AND message.id = reply.parent_id;

-- Exact figures from the turns, for any period: from ≤ time < to. Turns answered in the period give the times. 'Within T'
-- and the SLA are decided once per turn: a hit when answered in time, a miss when the time has passed without an answer,
-- each in the period in which that happens; what lies ahead of the present is not decided. Quantiles are type 7
-- (linear interpolation, as numpy and statistics.median). A turn lives at most 90 days: older ones are not read.
CREATE OR REPLACE VIEW account_responsiveness AS
WITH
    period AS
    (
        SELECT
            *,
            {from:DateTime64(3, 'UTC')} AS start,
            least({to:DateTime64(3, 'UTC')}, now64(3, 'UTC')) AS end,
            opened_at >= start AS opened,
            ifNull(answered_at >= start AND answered_at < {to:DateTime64(3, 'UTC')}, false) AS closed,
            opened_at + INTERVAL 15 MINUTE AS age_15m,
            opened_at + INTERVAL 1 HOUR AS age_1h,
            opened_at + INTERVAL 24 HOUR AS age_24h
        FROM turns
        WHERE opened_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 91 DAY AND opened_at < {to:DateTime64(3, 'UTC')}
    )
SELECT
    account,
    countIf(opened) AS turns,
    countIf(opened AND status = 'answered') AS turns_answered,
    countIf(opened AND status = 'open') AS open,
    countIf(opened AND status = 'expired') AS expired,
    turns_answered / nullIf(turns, 0) AS response_rate,
    countIf(opened AND ordinal > 1) AS reopened,
    countIf(closed) AS answered,
    countIf(closed AND ordinal = 1) AS first_answered,
    countIf(closed AND response_seconds IS NOT NULL) AS response_samples,
    sumIf(toInt64(round(ifNull(response_seconds, 0) * 1000)), closed) AS response_milliseconds,
    quantileExactInclusiveOrNullIf(0.5)(response_seconds, closed) AS response_p50,
    quantileExactInclusiveOrNullIf(0.9)(response_seconds, closed) AS response_p90,
    quantileExactInclusiveOrNullIf(0.99)(response_seconds, closed) AS response_p99,
    avgOrNullIf(response_seconds, closed) AS response_mean_seconds,
    quantileExactInclusiveOrNullIf(0.5)(response_seconds, closed AND ordinal = 1) AS first_response_p50,
    quantileExactInclusiveOrNullIf(0.5)(response_seconds, closed AND ordinal > 1) AS next_response_p50,
    countIf(closed AND answered_at <= age_15m) AS within_15m_hits,
    countIf(age_15m >= start AND age_15m < end AND ifNull(answered_at > age_15m, true)) AS within_15m_misses,
    within_15m_hits / nullIf(within_15m_hits + within_15m_misses, 0) AS within_15m,
    countIf(closed AND answered_at <= age_1h) AS within_1h_hits,
    countIf(age_1h >= start AND age_1h < end AND ifNull(answered_at > age_1h, true)) AS within_1h_misses,
    within_1h_hits / nullIf(within_1h_hits + within_1h_misses, 0) AS within_1h,
    countIf(closed AND answered_at <= age_24h) AS within_24h_hits,
    countIf(age_24h >= start AND age_24h < end AND ifNull(answered_at > age_24h, true)) AS within_24h_misses,
    within_24h_hits / nullIf(within_24h_hits + within_24h_misses, 0) AS within_24h,
    countIf(closed AND answered_at <= due_at) AS sla_met,
    countIf(due_at >= start AND due_at < end AND ifNull(answered_at > due_at, true)) AS sla_missed,
    sla_met / nullIf(sla_met + sla_missed, 0) AS sla,
    countIf(closed AND skewed) AS clock_skew
FROM period
GROUP BY account;

-- How many followers an account had, as told last before `to`, whenever that was; no row if nobody said.
CREATE OR REPLACE VIEW account_followers AS
SELECT account, toNullable(argMax(followers, (told_at, followers))) AS followers
FROM followers_told
WHERE told_at < {to:DateTime64(3, 'UTC')}
GROUP BY account;

-- Sums of the panes of any period, from ≤ minute < to, with quantiles from their merged histograms (within 1 % of the exact
-- ones). Bucket i holds the times up to g^i ms, g = 1.01 / 0.99, and stands for 2 · g^i / (g + 1). A pane that lies ahead
-- holds only deadlines that may still be met: it is left out.
CREATE OR REPLACE VIEW account_activity AS
SELECT *, (likes + shares + comments) / nullIf(followers, 0) AS engagement_by_followers
FROM
(
    SELECT
        pane.account AS account,
        sum(pane.mentions) AS mentions,
        sum(pane.replies) AS replies,
        sum(pane.automated_replies) AS automated_replies,
        sum(pane.broadcasts) AS broadcasts,
        sum(pane.peer_answers) AS peer_answers,
        sum(pane.turns) AS turns,
        sum(pane.turns_answered) AS turns_answered,
        sum(pane.reopened) AS reopened,
        sum(pane.answered) AS answered,
        sum(pane.first_answered) AS first_answered,
        sum(pane.response_samples) AS response_samples,
        sum(pane.response_milliseconds) AS response_milliseconds,
        sum(pane.within_15m_hits) AS within_15m_hits,
        sum(pane.within_15m_misses) AS within_15m_misses,
        sum(pane.within_1h_hits) AS within_1h_hits,
        sum(pane.within_1h_misses) AS within_1h_misses,
        sum(pane.within_24h_hits) AS within_24h_hits,
        sum(pane.within_24h_misses) AS within_24h_misses,
        sum(pane.sla_met) AS sla_met,
        sum(pane.sla_missed) AS sla_missed,
        sum(pane.clock_skew) AS clock_skew,
        sum(pane.too_late) AS too_late,
        sum(pane.likes) AS likes,
        sum(pane.shares) AS shares,
        sum(pane.comments) AS comments,
        sum(pane.impressions) AS impressions,
        sum(pane.stale_snapshots) AS stale_snapshots,
        sum(pane.negative_mentions) AS negative_mentions,
        sum(pane.opt_outs) AS opt_outs,
        sum(pane.promoting) AS promoting,
        turns_answered / nullIf(turns, 0) AS response_rate,
        response_milliseconds / 1000 / nullIf(response_samples, 0) AS response_mean_seconds,
        within_15m_hits / nullIf(within_15m_hits + within_15m_misses, 0) AS within_15m,
        within_1h_hits / nullIf(within_1h_hits + within_1h_misses, 0) AS within_1h,
        within_24h_hits / nullIf(within_24h_hits + within_24h_misses, 0) AS within_24h,
        sla_met / nullIf(sla_met + sla_missed, 0) AS sla,
        replies / nullIf(replies + broadcasts, 0) AS reply_share,
        likes / nullIf(broadcasts, 0) AS applause,
        shares / nullIf(broadcasts, 0) AS amplification,
        comments / nullIf(broadcasts, 0) AS conversation_rate,
        (likes + shares + comments) / nullIf(impressions, 0) AS engagement_by_impressions,
        negative_mentions / nullIf(mentions, 0) AS negative_share,
        promoting / nullIf(broadcasts, 0) AS self_promotion_share,
        quantileExactWeightedInterpolatedOrNullArray(0.5)(pane.seconds, pane.counts) AS response_p50,
        quantileExactWeightedInterpolatedOrNullArray(0.9)(pane.seconds, pane.counts) AS response_p90,
        quantileExactWeightedInterpolatedOrNullArray(0.99)(pane.seconds, pane.counts) AS response_p99,
        quantileExactWeightedInterpolatedOrNullArray(0.5)(pane.first_seconds, pane.first_weights) AS first_response_p50,
        quantileExactWeightedInterpolatedOrNullArray(0.5)(pane.next_seconds, pane.next_weights) AS next_response_p50
    FROM
    (
        WITH 1.01 / 0.99 AS growth
        SELECT
            *,
            arrayMap(bucket -> 2 * pow(growth, bucket) / (growth + 1) / 1000, first_buckets) AS first_seconds,
            arrayMap(bucket -> 2 * pow(growth, bucket) / (growth + 1) / 1000, next_buckets) AS next_seconds,
            arrayMap(count -> toUInt64(greatest(count, 0)), first_counts) AS first_weights,
            arrayMap(count -> toUInt64(greatest(count, 0)), next_counts) AS next_weights,
            arrayConcat(first_seconds, next_seconds) AS seconds,
            arrayConcat(first_weights, next_weights) AS counts
        FROM panes
        WHERE minute >= {from:DateTime64(3, 'UTC')} AND minute < least({to:DateTime64(3, 'UTC')}, now64(3, 'UTC'))
    ) AS pane
    GROUP BY pane.account
) AS activity
LEFT JOIN account_followers(to = {to:DateTime64(3, 'UTC')}) AS told USING (account);

-- What was said in any period, and by how many: from the panes, and the contacts from the facts, for panes do not know who wrote.
CREATE OR REPLACE VIEW account_messages AS
SELECT
    activity.account AS account,
    activity.mentions AS mentions,
    activity.replies AS replies,
    activity.broadcasts AS broadcasts,
    activity.reply_share AS reply_share,
    contacts.contacts AS contacts
FROM account_activity(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS activity
LEFT JOIN
(
    SELECT account, uniqExact(author_id) AS contacts
    FROM interactions
    WHERE kind = 'mention'
        AND published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')}
    GROUP BY account
) AS contacts
ON activity.account = contacts.account;
