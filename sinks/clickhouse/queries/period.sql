-- One row per account that had anything in a period: every figure that a report shows, and what its shares are of.
SELECT
    messages.account AS account,
    messages.mentions AS mentions,
    messages.contacts AS contacts,
    messages.replies AS replies,
    messages.broadcasts AS broadcasts,
    messages.reply_share AS reply_share,
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
FROM account_messages(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS messages
LEFT JOIN account_responsiveness(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS responses
    ON messages.account = responses.account
LEFT JOIN account_waits(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}) AS waits
    ON messages.account = waits.account
ORDER BY turns DESC, account
