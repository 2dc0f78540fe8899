-- What relationships are worth: what contacts bought, beside how they had been answered before. Optional: where nobody tells what was
-- bought, the table is empty, and so are the views. docs/metrics.md has the definitions, and what they do not show.

-- An order keeps its row whatever becomes of it, its date too: no partitions. Millionths of a unit are exact in every currency.
CREATE TABLE IF NOT EXISTS revenue_versions
(
    account       LowCardinality(String),
    id            String CODEC(ZSTD(1)),
    contact_id    String CODEC(ZSTD(1)),
    at            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    amount_micros Int64 CODEC(T64, ZSTD(1)),
    currency      LowCardinality(String),
    source        LowCardinality(String),
    version       Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (account, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW revenue AS
SELECT account, id, contact_id, at, toDecimal128(amount_micros, 6) / 1000000 AS amount, currency, source
FROM revenue_versions FINAL;

-- Who bought in from ≤ time < to, one row for each contact and currency, and what had been between them and the account before the
-- first of these orders: what came after it cannot have caused it. All revenue of the period is in exactly one row, that of
-- contacts who never wrote too. `first_touch`: the account wrote first (`reply`), or the contact under a broadcast of the account
-- (`comment`), or the contact of their own accord (`mention`). An answer to the contact begins nothing, however it is dated.
CREATE OR REPLACE VIEW relationship_value AS
WITH
    bought AS
    (
        SELECT
            account,
            contact_id,
            currency,
            countIf(amount > 0) AS orders,
            sum(amount) AS revenue,
            if(orders > 0, minIf(at, amount > 0), min(at)) AS bought_at
        FROM revenue
        WHERE at >= {from:DateTime64(3, 'UTC')} AND at < {to:DateTime64(3, 'UTC')} AND amount != 0
        GROUP BY account, contact_id, currency
    ),
    firsts AS
    (
        SELECT account, contact_id, minOrNull(at) AS first_order_at
        FROM revenue
        WHERE amount > 0 AND at < {to:DateTime64(3, 'UTC')}
        GROUP BY account, contact_id
    ),
    posts AS
    (
        SELECT account, id FROM interactions WHERE kind = 'broadcast' AND account IN (SELECT account FROM bought)
    ),
    touches AS
    (
        SELECT
            account,
            contact_id,
            minOrNull(published_at) AS first_at,
            argMin(id, (published_at, outgoing, id)) AS first_id,
            argMin(
                multiIf(
                    outgoing, 'reply',
                    (account, conversation_id) IN posts OR (account, parent_id) IN posts, 'comment',
                    'mention'),
                (published_at, outgoing, id)) AS first_touch
        FROM contact_messages
        WHERE (account, contact_id) IN (SELECT account, contact_id FROM bought)
            AND published_at < {to:DateTime64(3, 'UTC')}
            AND (NOT outgoing OR (account, parent_id, contact_id) NOT IN
                (SELECT account, id, author_id FROM interactions WHERE kind = 'mention' AND account IN (SELECT account FROM bought)))
        GROUP BY account, contact_id
    ),
    asked AS
    (
        SELECT
            bought.account AS account,
            bought.contact_id AS contact_id,
            bought.currency AS currency,
            ifNull(turn.answered_at < bought.bought_at, false) AS answered,
            answered AND ifNull(turn.answered_at <= turn.due_at, false) AS met,
            turn.response_seconds AS response_seconds,
            turn.ordinal AS ordinal
        FROM bought
        INNER JOIN
        (
            SELECT account, contact_id, opened_at, answered_at, due_at, response_seconds, ordinal
            FROM turns
            WHERE (account, contact_id) IN (SELECT account, contact_id FROM bought)
        ) AS turn
        ON turn.account = bought.account AND turn.contact_id = bought.contact_id
        WHERE turn.opened_at < bought.bought_at
    ),
    heard AS
    (
        SELECT
            account,
            contact_id,
            currency,
            count() AS turns,
            countIf(answered) AS turns_answered,
            countIf(met) AS sla_met,
            quantileExactInclusiveOrNullIf(0.5)(response_seconds, answered) AS response_p50,
            quantileExactInclusiveOrNullIf(0.5)(response_seconds, answered AND ordinal = 1) AS first_response_p50
        FROM asked
        GROUP BY account, contact_id, currency
    )
SELECT
    bought.account AS account,
    bought.contact_id AS contact_id,
    bought.currency AS currency,
    bought.orders AS orders,
    bought.revenue AS revenue,
    bought.bought_at AS bought_at,
    firsts.first_order_at AS first_order_at,
    touches.first_at AS first_at,
    touches.first_touch AS first_touch,
    touches.first_id AS first_id,
    dateDiff('millisecond', first_at, first_order_at) / 86400000 AS days_to_first_order,
    heard.turns AS turns,
    heard.turns_answered AS turns_answered,
    turns_answered / nullIf(turns, 0) AS response_rate,
    heard.sla_met AS sla_met,
    heard.response_p50 AS response_p50,
    heard.first_response_p50 AS first_response_p50
FROM bought
LEFT JOIN firsts ON firsts.account = bought.account AND firsts.contact_id = bought.contact_id
LEFT JOIN touches ON touches.account = bought.account AND touches.contact_id = bought.contact_id
LEFT JOIN heard
    ON heard.account = bought.account AND heard.contact_id = bought.contact_id AND heard.currency = bought.currency;

-- Everybody whom an account talked with in from ≤ time < to, and how their turns of that time stood at its end: answered by the
-- target (`in time`), answered later (`late`), or past the target without an answer (`unanswered`). A contact is called by the worst of
-- their turns; turns that still had time then say nothing, and who has no others is `undecided`.
CREATE OR REPLACE VIEW contacts_answered AS
WITH
    least({to:DateTime64(3, 'UTC')}, now64(3, 'UTC')) AS end,
    met AS
    (
        SELECT account, contact_id, 'message' AS state
        FROM contact_messages
        WHERE published_at >= {from:DateTime64(3, 'UTC')} AND published_at < end
        UNION ALL
        SELECT
            account,
            contact_id,
            multiIf(
                ifNull(answered_at < end, false), if(answered_at <= due_at, 'in time', 'late'),
                due_at < end, 'unanswered',
                'undecided') AS state
        FROM turns
        WHERE opened_at >= {from:DateTime64(3, 'UTC')} AND opened_at < end
    )
SELECT
    account,
    contact_id,
    countIf(state != 'message') AS turns,
    countIf(state = 'in time') AS turns_in_time,
    countIf(state = 'late') AS turns_late,
    countIf(state = 'unanswered') AS turns_unanswered,
    multiIf(
        turns = 0, 'not asked',
        turns_unanswered > 0, 'unanswered',
        turns_late > 0, 'late',
        turns_in_time > 0, 'in time',
        'undecided') AS answering
FROM met
GROUP BY account, contact_id;

-- First the answers, then the money: everybody whom an account talked with in from ≤ time < to, by how they were answered until then,
-- and what they bought in to ≤ time < until. So nobody's purchase decides how they are called, and all have the same time to buy. Each
-- currency is a table of its own, with all contacts in it: it is not summed with another, nor are its contacts. `low` and `high`
-- are the 95 % band of the share (Wilson, JASA 22, 1927; `square` is that of 1.96). It says who bought more, and not why.
CREATE OR REPLACE VIEW answering_value AS
WITH
    3.841458820694124 AS square,
    bought AS
    (
        SELECT account, contact_id, currency, countIf(amount > 0) AS orders, sum(amount) AS revenue
        FROM revenue
        WHERE at >= {to:DateTime64(3, 'UTC')} AND at < {until:DateTime64(3, 'UTC')} AND amount != 0
        GROUP BY account, contact_id, currency
    ),
    people AS
    (
        SELECT
            *,
            (account, contact_id) IN
                (SELECT account, contact_id FROM revenue WHERE amount > 0 AND at < {to:DateTime64(3, 'UTC')}) AS customer
        FROM contacts_answered(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    ),
    currencies AS
    (
        SELECT account, groupUniqArray(currency) AS known FROM bought GROUP BY account
    ),
    everybody AS
    (
        SELECT
            people.account AS account,
            people.contact_id AS contact_id,
            people.answering AS answering,
            people.turns AS turns,
            people.customer AS customer,
            arrayJoin(if(empty(currencies.known), [''], currencies.known)) AS currency
        FROM people
        LEFT JOIN currencies ON currencies.account = people.account
    )
SELECT
    everybody.account AS account,
    everybody.currency AS currency,
    everybody.answering AS answering,
    count() AS contacts,
    sum(everybody.turns) AS turns,
    countIf(everybody.customer) AS customers_before,
    countIf(bought.orders > 0) AS buyers,
    buyers / contacts AS buyer_share,
    greatest((buyers + square / 2 - sqrt(square * (buyers * (contacts - buyers) / contacts + square / 4))) / (contacts + square), 0) AS low,
    least((buyers + square / 2 + sqrt(square * (buyers * (contacts - buyers) / contacts + square / 4))) / (contacts + square), 1) AS high,
    sum(bought.orders) AS orders,
    sum(bought.revenue) AS revenue,
    revenue / contacts AS revenue_per_contact
FROM everybody
LEFT JOIN bought
    ON bought.account = everybody.account AND bought.contact_id = everybody.contact_id AND bought.currency = everybody.currency
GROUP BY account, currency, answering;

-- What the contacts of a campaign bought, in any conversation and in none: an order belongs to people, and they to a campaign.
CREATE OR REPLACE VIEW campaign_revenue AS
SELECT
    contact.account AS account,
    bought.id AS id,
    bought.contact_id AS contact_id,
    bought.at AS at,
    bought.amount AS amount,
    bought.currency AS currency,
    bought.source AS source
FROM (SELECT DISTINCT account, contact_id FROM campaign_contact_messages(campaign = {campaign:String})) AS contact
INNER JOIN revenue AS bought
ON trim(LEADING '!' FROM contact.account) = bought.account AND contact.contact_id = bought.contact_id;
