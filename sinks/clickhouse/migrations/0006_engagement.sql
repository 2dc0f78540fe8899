-- Whom a brand answers, who of its people does, and in whose words. from ≤ time < to.

-- Whether people with few followers are answered as often and as soon as those with many: turns by the followers of whoever opened them, and
-- each band's figures ÷ those of the smallest band, NULL where that has none. Band -1: the network does not say. Times are of the answered
-- turns.
CREATE OR REPLACE VIEW equal_treatment AS
WITH
    openers AS
    (
        SELECT account, id, author_followers
        FROM interactions
        WHERE kind = 'mention'
            AND published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')}
    ),
    bands AS
    (
        SELECT
            turn.account AS account,
            multiIf(followers < 0, -1, followers < 100, 0, followers < 1000, 100, followers < 10000, 1000, 10000) AS followers_from,
            count() AS turns,
            countIf(status = 'answered') AS turns_answered,
            turns_answered / turns AS response_rate,
            quantileExactInclusiveOrNull(0.5)(response_seconds) AS response_p50
        FROM
        (
            SELECT opened.account AS account, status, response_seconds, ifNull(opener.author_followers, -1) AS followers
            FROM
            (
                SELECT * FROM turns
                WHERE opened_at >= {from:DateTime64(3, 'UTC')} AND opened_at < {to:DateTime64(3, 'UTC')}
            ) AS opened
            LEFT JOIN (SELECT account, id, toNullable(author_followers) AS author_followers FROM openers) AS opener
            ON opened.account = opener.account AND opened.turn_id = opener.id
        ) AS turn
        GROUP BY account, followers_from
    )
SELECT
    *,
    response_rate / nullIf(first_value(response_rate) OVER smallest, 0) AS rate_ratio,
    response_p50 / nullIf(first_value(response_p50) RESPECT NULLS OVER smallest, 0) AS time_ratio
FROM bands
WINDOW smallest AS (PARTITION BY account, followers_from < 0 ORDER BY followers_from);

-- The same of the rolling windows, with medians from histograms (within 1 %). Who does not say how many followers they have is in no band,
-- and a band without turns has no row; the smallest comes first.
CREATE OR REPLACE VIEW rolling_equal_treatment AS
SELECT
    account,
    window,
    as_of,
    followers_from,
    turns,
    turns_answered,
    turns_answered / turns AS response_rate,
    if(milliseconds < 0, NULL, milliseconds / 1000) AS response_p50,
    response_rate / nullIf(band_turns_answered[1] / band_turns[1], 0) AS rate_ratio,
    response_p50 / if(band_milliseconds[1] > 0, band_milliseconds[1] / 1000, NULL) AS time_ratio
FROM rolling_versions FINAL
ARRAY JOIN
    band_followers AS followers_from,
    band_turns AS turns,
    band_turns_answered AS turns_answered,
    band_milliseconds AS milliseconds;

-- Replies that people wrote, with what is left of them when all is taken out that differs from one recipient to the next: addressees,
-- links, numbers, the name in a greeting, and how the writer signs (^AB, -Ann).
CREATE OR REPLACE VIEW written_replies AS
SELECT
    account,
    id,
    published_at,
    text,
    replaceRegexpOne(text, '(?:\\s*https?://\\S+)*\\s*$', '') AS unlinked_text, -- first: the end of a link may look like a name
    -- \pL{1,14} would say it alone, and take eight times as long; so would looking for a name where no mark is near the end
    if(
        lengthUTF8(
            if(
                multiSearchAny(right(unlinked_text, 64), ['^', '-', '–', '~', '/']),
                extract(unlinked_text, '(?:\\^|[-–~/] ?)(\\p{Lu}\\pL+)$'),
                '') AS signature) <= 15,
        signature, '') AS agent,
    if(agent = '', unlinked_text, replaceRegexpOne(unlinked_text, '(?:\\^|[-–~/] ?)\\p{Lu}\\pL+$', '')) AS unsigned_text,
    replaceRegexpAll(lowerUTF8(unsigned_text), 'https?://\\S+|@\\w+|[0-9]+', ' ') AS bare_text,
    replaceRegexpOne(bare_text, '^\\s*(hi|hello|hey|dear)\\s+\\pL+', '') AS unaddressed_text,
    trimBoth(replaceRegexpAll(unaddressed_text, '[^\\pL]+', ' ')) AS template
FROM interactions
WHERE kind = 'reply' AND NOT automated
    AND published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')};

-- Who of a brand's people answers, where they sign: their replies, the turns that these answered, and how soon. A turn is answered when
-- the reply was written, or later where clocks disagree. Replies are found by a hash of 64 bits, as members of a campaign are.
CREATE OR REPLACE VIEW agents AS
SELECT
    reply.account AS account,
    reply.agent AS agent,
    count() AS replies,
    countIf(answered.answers) AS turns_answered,
    quantileExactInclusiveOrNull(0.5)(answered.response_seconds) AS response_p50
FROM written_replies(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS reply
LEFT JOIN
(
    SELECT account, reply_id, response_seconds, true AS answers
    FROM turns
    WHERE answered_at >= {from:DateTime64(3, 'UTC')} AND status = 'answered'
) AS answered
ON cityHash64(reply.account, reply.id) = cityHash64(answered.account, answered.reply_id)
GROUP BY account, agent;

-- How much of what a brand's people write is a template: replies whose text, so reduced, was used three times or more.
CREATE OR REPLACE VIEW templated AS
SELECT
    account,
    sum(uses) AS replies,
    sumIf(uses, uses >= 3 AND template != '') AS templated_replies,
    templated_replies / replies AS templated_share
FROM
(
    SELECT account, template, count() AS uses
    FROM written_replies(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    GROUP BY account, template
)
GROUP BY account;

-- How much a brand speaks of itself: broadcasts with a link to one of `domains`, or below it. Panes have the same by the domains that
-- rapport.toml names; this is for others, and for campaigns.
CREATE OR REPLACE VIEW self_promotion AS
SELECT
    account,
    count() AS broadcasts,
    countIf(arrayExists(
        link -> arrayExists(
            own -> domain(lower(link)) = own OR endsWith(domain(lower(link)), concat('.', own)), {domains:Array(String)}),
        links)) AS promoting,
    promoting / broadcasts AS self_promotion_share
FROM interactions
WHERE kind = 'broadcast'
    AND published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')}
GROUP BY account;
