-- A campaign is what carries one of its hashtags, or a link that begins as one of its links do, in from ≤ time < to; `curators` are
-- the people who were asked to speak of it. Case does not matter.
CREATE OR REPLACE VIEW campaign_posts AS
SELECT
    *,
    has(arrayMap(name -> lowerUTF8(name), {curators:Array(String)}), lowerUTF8(author_id)) AS by_curator
FROM interactions
WHERE published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')}
    AND
    (
        hasAny(
            arrayMap(tag -> lowerUTF8(tag), hashtags),
            arrayMap(tag -> lowerUTF8(trim(LEADING '#' FROM tag)), {hashtags:Array(String)}))
        OR arrayExists(link -> arrayExists(start -> startsWith(lowerUTF8(link), lowerUTF8(start)), {links:Array(String)}), links)
    );

-- What a campaign came to for each account: who spoke, how many may have seen it, and how the brand answered. `reach` is the followers of
-- everybody who posted, each counted once and with the most they were seen to have; those of unknown size count nothing.
CREATE OR REPLACE VIEW campaigns AS
WITH
    posts AS
    (
        SELECT account, id, kind, author_id, author_followers, by_curator
        FROM campaign_posts(
            hashtags = {hashtags:Array(String)}, links = {links:Array(String)}, curators = {curators:Array(String)},
            from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    ),
    people AS
    (
        SELECT
            account,
            author_id,
            any(by_curator) AS curator,
            count() AS written,
            countIf(kind = 'mention') AS mentions,
            greatest(max(author_followers), 0) AS followers
        FROM posts
        WHERE kind IN ('mention', 'peer')
        GROUP BY account, author_id
    ),
    spoken AS
    (
        SELECT
            account,
            sum(written) AS posts,
            sum(people.mentions) AS mentions,
            count() AS contacts,
            sum(followers) AS reach,
            sumIf(written, curator) AS curator_posts,
            sumIf(followers, curator) AS curator_reach
        FROM people
        GROUP BY account
    ),
    answered AS
    (
        SELECT
            account,
            count() AS turns,
            countIf(status = 'answered') AS turns_answered,
            quantileExactInclusiveOrNull(0.5)(response_seconds) AS response_p50
        FROM turns
        WHERE opened_at >= {from:DateTime64(3, 'UTC')} AND opened_at < {to:DateTime64(3, 'UTC')}
            AND (account, turn_id) IN (SELECT account, id FROM posts WHERE kind = 'mention')
        GROUP BY account
    )
SELECT
    spoken.account AS account,
    spoken.posts AS posts,
    spoken.mentions AS mentions,
    spoken.contacts AS contacts,
    spoken.reach AS reach,
    spoken.curator_posts AS curator_posts,
    curator_posts / posts AS curator_share,
    spoken.curator_reach AS curator_reach,
    answered.turns AS turns,
    answered.turns_answered AS turns_answered,
    turns_answered / nullIf(turns, 0) AS response_rate,
    answered.response_p50 AS response_p50
FROM spoken
LEFT JOIN answered ON spoken.account = answered.account;
