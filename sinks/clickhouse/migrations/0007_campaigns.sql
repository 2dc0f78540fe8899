-- Campaigns: what was said under a hashtag or with a link, and the conversations that it began. docs/metrics.md says what belongs to
-- one. Every view of a period has a twin that takes a `campaign` as well (campaign_account_responsiveness, …): `rapport migrate`
-- makes those from the view itself (sinks/clickhouse/campaigns.py).

-- The campaigns of rapport.toml, in lower case. `rapport migrate` makes this view anew, with them in it.
CREATE OR REPLACE VIEW campaigns AS
SELECT
    '' AS campaign,
    CAST([], 'Array(String)') AS hashtags,
    CAST([], 'Array(String)') AS links,
    CAST([], 'Array(String)') AS curators,
    CAST([], 'Array(String)') AS accounts,
    toDateTime64(0, 3, 'UTC') AS starts_at,
    toDateTime64(0, 3, 'UTC') AS ends_at,
    toUInt64(0) AS definition
WHERE false;

-- Posts of a campaign: with one of its hashtags, or a link that begins as one of its links do, in its time. Case does not matter. What a
-- curator posts without either is none: whoever was asked to speak of a campaign speaks of other things too.
CREATE OR REPLACE VIEW campaign_posts AS
SELECT
    campaigns.campaign AS campaign,
    campaigns.definition AS definition,
    has(campaigns.curators, lowerUTF8(post.author_id)) AS by_curator,
    post.*
FROM
(
    SELECT * FROM interactions
    WHERE (notEmpty(hashtags) OR notEmpty(links)) AND kind IN ('mention', 'peer', 'reply', 'broadcast')
        AND published_at >= (SELECT minOrNull(starts_at) FROM campaigns)
        AND published_at < (SELECT maxOrNull(ends_at) FROM campaigns)
) AS post
CROSS JOIN campaigns
WHERE post.published_at >= campaigns.starts_at AND post.published_at < campaigns.ends_at
    AND (empty(campaigns.accounts) OR has(campaigns.accounts, post.account))
    AND
    (
        arrayExists(hashtag -> has(campaigns.hashtags, lowerUTF8(hashtag)), post.hashtags)
        OR arrayExists(link -> arrayExists(start -> startsWith(lowerUTF8(link), start), campaigns.links), post.links)
    );

-- The messages of every campaign by id. Of a campaign are its posts; messages that answer one or stand in a conversation that began with
-- one; and the whole thread in which a contact wrote such a message. A thread lasts from the opening of its first turn until that of
-- the contact's next thread in the conversation. A message with a contact and a conversation is in their thread of its time; one
-- that answers a message in a thread is in that.
CREATE OR REPLACE VIEW campaign_members_now AS
WITH
    (SELECT minOrNull(starts_at) FROM campaigns) AS earliest,
    posts AS (SELECT campaign, definition, account, id FROM campaign_posts),
    said AS
    (
        SELECT account, id, kind, parent_id, if(kind = 'mention', author_id, contact_id) AS contact, conversation_id, published_at
        FROM interactions
        WHERE kind IN ('mention', 'peer', 'reply', 'broadcast') AND published_at >= earliest - INTERVAL 91 DAY
    ),
    begun AS
    (
        SELECT campaign, definition, account, said.id AS id, kind, contact, conversation_id, published_at
        FROM
        (
            SELECT *, arrayJoin([id, parent_id, conversation_id]) AS post FROM said
            WHERE published_at >= earliest
                AND (id IN (SELECT id FROM posts) OR parent_id IN (SELECT id FROM posts) OR conversation_id IN (SELECT id FROM posts))
        ) AS said
        INNER JOIN posts ON said.account = posts.account AND said.post = posts.id
    ),
    threads AS
    (
        SELECT
            campaign,
            definition,
            opened.account AS account,
            contact,
            opened.conversation_id AS conversation_id,
            arrayPushFront(arraySort(groupUniqArray(opened_at)), toDateTime64(0, 3, 'UTC')) AS begins,
            arrayPushBack(arrayPopFront(begins), toDateTime64('2299-01-01', 3, 'UTC')) AS ends,
            groupUniqArray(published_at) AS written,
            arrayJoin(arrayFilter(
                thread -> arrayExists(at -> at >= thread.1 AND at < thread.2, written), arrayZip(begins, ends))) AS thread
        FROM (SELECT account, contact_id, conversation_id, opened_at FROM turns WHERE ordinal = 1) AS opened
        INNER JOIN (SELECT * FROM begun WHERE kind = 'mention') AS mention
            ON opened.account = mention.account AND opened.contact_id = mention.contact
            AND opened.conversation_id = mention.conversation_id
        GROUP BY campaign, definition, account, contact, conversation_id
    ),
    talked AS
    (
        SELECT campaign, definition, said.account AS account, said.id AS id
        FROM said
        INNER JOIN threads ON said.account = threads.account AND said.contact = threads.contact
            AND said.conversation_id = threads.conversation_id
        WHERE said.kind != 'broadcast' AND said.published_at >= threads.thread.1 AND said.published_at < threads.thread.2
    )
SELECT campaign, definition, account, id FROM begun
UNION ALL
SELECT campaign, definition, account, id FROM talked
UNION ALL
SELECT campaign, definition, said.account AS account, said.id AS id
FROM (SELECT account, id, parent_id FROM said WHERE kind != 'mention' AND parent_id != '') AS said
INNER JOIN talked ON said.account = talked.account AND said.parent_id = talked.id;

-- Who is a member is kept, as relationships are: to find it takes as long as to read all that was said since the first campaign began.
CREATE TABLE IF NOT EXISTS campaign_members_kept
(
    campaign     LowCardinality(String),
    definition   UInt64,
    account      LowCardinality(String),
    id           String CODEC(ZSTD(1)),
    refreshed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
ORDER BY (campaign, account, id);

CREATE MATERIALIZED VIEW IF NOT EXISTS campaign_members_refresh REFRESH EVERY 10 MINUTE DEPENDS ON round_begins
APPEND TO campaign_members_kept EMPTY AS
SELECT *, now64(3, 'UTC') AS refreshed_at FROM campaign_members_now
SETTINGS max_threads = 1, max_bytes_before_external_group_by = 2000000000;

ALTER TABLE round_ends MODIFY REFRESH EVERY 10 MINUTE DEPENDS ON
    contacts_refresh, advocates_refresh, bridges_refresh, conversation_starters_refresh, opt_outs_refresh, campaign_members_refresh APPEND;

-- Rows of a campaign that reads differently by now are not shown.
CREATE OR REPLACE VIEW campaign_members AS
SELECT campaign, account, id, refreshed_at FROM campaign_members_kept FINAL
WHERE refreshed_at >= (SELECT max(refreshed_at) FROM refreshes WHERE name = 'ended')
    AND (campaign, definition) IN (SELECT campaign, definition FROM campaigns);

-- What everything else is made of: turns and interactions of a campaign. `!summer`: all that is not of it. `summer|!summer`: both, the
-- latter as if of other accounts, `!x:1` for `x:1`, so that one pass counts both. Members are found by a hash of 64 bits, in half
-- the time: the chance that one message among a hundred million is taken for one of a million members is 1 in 180,000.
CREATE OR REPLACE VIEW campaign_turns AS
SELECT * EXCEPT (of_it) REPLACE (if(NOT of_it AND position({campaign:String}, '|') > 0, concat('!', account), account) AS account)
FROM
(
    SELECT *, cityHash64(account, turn_id) IN
        (SELECT cityHash64(account, id) FROM campaign_members WHERE campaign = extract({campaign:String}, '^!?([^|]+)')) AS of_it
    FROM turns
)
WHERE position({campaign:String}, '|') > 0 OR of_it != startsWith({campaign:String}, '!');

CREATE OR REPLACE VIEW campaign_interactions AS
SELECT * EXCEPT (of_it) REPLACE (if(NOT of_it AND position({campaign:String}, '|') > 0, concat('!', account), account) AS account)
FROM
(
    SELECT *, cityHash64(account, id) IN
        (SELECT cityHash64(account, id) FROM campaign_members WHERE campaign = extract({campaign:String}, '^!?([^|]+)')) AS of_it
    FROM interactions
)
WHERE position({campaign:String}, '|') > 0 OR of_it != startsWith({campaign:String}, '!');

-- What was said in a period and by how many, counted in one pass.
CREATE OR REPLACE VIEW campaign_account_messages AS
SELECT
    account,
    countIf(kind = 'mention') AS mentions,
    countIf(kind = 'reply' AND NOT automated) AS replies,
    countIf(kind = 'reply' AND automated) AS automated_replies,
    countIf(kind = 'broadcast') AS broadcasts,
    countIf(kind = 'peer') AS peer_answers,
    countIf(kind = 'mention' AND sentiment < toFloat32(-0.05)) AS negative_mentions,
    replies / nullIf(replies + broadcasts, 0) AS reply_share,
    negative_mentions / nullIf(mentions, 0) AS negative_share,
    uniqExactIf(author_id, kind = 'mention') AS contacts
FROM campaign_interactions(campaign = {campaign:String})
WHERE published_at >= {from:DateTime64(3, 'UTC')} AND published_at < least({to:DateTime64(3, 'UTC')}, now64(3, 'UTC'))
    AND kind IN ('mention', 'reply', 'broadcast', 'peer')
GROUP BY account;

-- Panes know of no campaign: the figures of account_activity, counted from interactions and turns. Quantiles are exact. What belongs to
-- no campaign is left out (too_late, stale_snapshots); followers are the account's. Reactions are the differences between snapshots
-- of a post that are no more than 14 days apart; a post begins with none.
CREATE OR REPLACE VIEW campaign_account_activity AS
WITH
    snapshots AS
    (
        SELECT
            account,
            id,
            published_at,
            kind = 'counters' AS counted,
            arrayJoin([('likes', likes), ('shares', shares), ('comments', comments), ('impressions', impressions)]) AS counter
        FROM campaign_interactions(campaign = {campaign:String})
        WHERE kind IN ('mention', 'peer', 'reply', 'broadcast', 'counters')
            AND published_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 14 DAY AND published_at < {to:DateTime64(3, 'UTC')}
            AND (account, id) IN
            (
                SELECT account, id FROM interactions
                WHERE kind = 'counters' AND published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')}
            )
    ),
    gains AS
    (
        SELECT
            account,
            counter.1 AS name,
            arraySort(groupArray((published_at, if(counted, counter.2, 0)))) AS sorted,
            arraySum(
                (now, before) -> if(now.1 >= {from:DateTime64(3, 'UTC')} AND now.1 <= before.1 + INTERVAL 14 DAY, now.2 - before.2, 0),
                arrayPopFront(sorted), arrayPopBack(sorted)) AS gained
        FROM snapshots
        WHERE NOT counted OR counter.2 >= 0
        GROUP BY account, id, name
    ),
    reactions AS
    (
        SELECT
            account,
            sumIf(gained, name = 'likes') AS likes,
            sumIf(gained, name = 'shares') AS shares,
            sumIf(gained, name = 'comments') AS comments,
            sumIf(gained, name = 'impressions') AS impressions
        FROM gains
        GROUP BY account
    )
SELECT
    account,
    said.mentions AS mentions,
    said.replies AS replies,
    said.automated_replies AS automated_replies,
    said.broadcasts AS broadcasts,
    said.peer_answers AS peer_answers,
    said.negative_mentions AS negative_mentions,
    said.likes AS likes,
    said.shares AS shares,
    said.comments AS comments,
    said.impressions AS impressions,
    said.reply_share AS reply_share,
    likes / nullIf(broadcasts, 0) AS applause,
    shares / nullIf(broadcasts, 0) AS amplification,
    comments / nullIf(broadcasts, 0) AS conversation_rate,
    (likes + shares + comments) / nullIf(impressions, 0) AS engagement_by_impressions,
    told.followers AS followers,
    (likes + shares + comments) / nullIf(followers, 0) AS engagement_by_followers,
    said.negative_share AS negative_share,
    responses.* EXCEPT (account, open, expired)
FROM
(
    SELECT *
    FROM
    (
        SELECT * EXCEPT (contacts) FROM campaign_account_messages(
            campaign = {campaign:String}, from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    ) AS messages
    FULL OUTER JOIN reactions USING (account)
) AS said
FULL OUTER JOIN
(
    SELECT * FROM campaign_account_responsiveness(
        campaign = {campaign:String}, from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
) AS responses
USING (account)
LEFT JOIN
(
    SELECT arrayJoin([account, concat('!', account)]) AS account, followers
    FROM account_followers(to = {to:DateTime64(3, 'UTC')})
) AS told
USING (account);

-- Who spoke of a campaign, and how many may have seen it. `reach` is the followers of everybody who posted, each counted once and with the
-- most they were seen to have; those of unknown size count nothing.
CREATE OR REPLACE VIEW campaign_reach AS
SELECT
    account,
    sum(written) AS posts,
    count() AS authors,
    sum(followers) AS reach,
    sumIf(written, curator) AS curator_posts,
    curator_posts / posts AS curator_share,
    sumIf(followers, curator) AS curator_reach
FROM
(
    SELECT
        account,
        author_id,
        any(by_curator) AS curator,
        count() AS written,
        greatest(max(author_followers), 0) AS followers
    FROM campaign_posts
    WHERE campaign = {campaign:String} AND kind IN ('mention', 'peer')
        AND published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')}
    GROUP BY account, author_id
)
GROUP BY account;
