-- Every figure of an account in a period, as the views of a period have it: one row; NULL where nothing was said or asked.
SELECT activity.* EXCEPT (account), responses.* EXCEPT (account), waits.* EXCEPT (account)
FROM (SELECT {account:String} AS account) AS asked
LEFT JOIN
(
    SELECT
        account, mentions, replies, automated_replies, broadcasts, peer_answers, likes, shares, comments, impressions,
        stale_snapshots, negative_mentions, opt_outs, promoting, too_late, reply_share, self_promotion_share, applause,
        amplification, conversation_rate, engagement_by_impressions, followers,
        engagement_by_followers, negative_share
    FROM account_activity(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE account = {account:String}
) AS activity
ON asked.account = activity.account
LEFT JOIN
(
    SELECT * FROM account_responsiveness(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE account = {account:String}
) AS responses
ON asked.account = responses.account
LEFT JOIN
(
    SELECT * FROM account_waits(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
    WHERE account = {account:String}
) AS waits
ON asked.account = waits.account
