-- One row per account that had anything in a period: every figure that a report shows, and what its shares are of.
WITH contacts AS
    (
        SELECT account, uniqExact(author_id) AS contacts
        FROM interactions
        WHERE kind = 'mention'
            AND published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')}
        GROUP BY account
    )
SELECT
    activity.account AS account,
    activity.mentions AS mentions,
    contacts.contacts AS contacts,
    activity.replies AS replies,
    activity.broadcasts AS broadcasts,
    activity.reply_share AS reply_share,
    responses.turns AS turns,
    responses.response_rate AS response_rate,
    responses.open AS open,
    responses.within_15m_hits AS within_15m_hits,
    responses.within_15m_misses AS within_15m_misses,
    responses.within_15m AS within_15m,
    responses.within_1h_hits AS within_1h_hits,
    responses.within_1h_misses AS within_1h_misses,
    responses.within_1h AS within_1h,
    responses.sla_met AS sla_met,
    responses.sla_missed AS sla_missed,
    responses.sla AS sla,
    waits.half_within AS half_within,
    waits.ninety_within AS ninety_within
FROM account_activity(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS activity
LEFT JOIN account_responsiveness(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS responses
    ON activity.account = responses.account
LEFT JOIN account_waits(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS waits
    ON activity.account = waits.account
LEFT JOIN contacts ON activity.account = contacts.account
ORDER BY turns DESC, account
