-- The newest of what was said to each alert, to all of an account (`alert_id` empty), and of its silences; none older than an alert can
-- be. And when alerts ended, as the action `ended`, as far as what was said before may hold yet: they may have begun anew.
WITH
    newest AS
    (
        SELECT account, alert_id, action, until, by, at
        FROM notification_commands_versions
        WHERE at > now64(3, 'UTC') - INTERVAL 100 DAY
        ORDER BY at DESC
        LIMIT 1 BY account, alert_id, action = 'silence' AND alert_id = ''
    ),
    holding AS
    (
        SELECT account, alert_id, at
        FROM newest
        WHERE until > now64(3, 'UTC')
            OR (action = 'acknowledge' AND until = toDateTime64(0, 3, 'UTC') AND at > now64(3, 'UTC') - INTERVAL 7 DAY)
    )
SELECT account, alert_id, action, until, by, at FROM newest
UNION ALL
SELECT account, alert_id, 'ended' AS action, toDateTime64(0, 3, 'UTC') AS until, '' AS by, max(first) AS at
FROM
(
    SELECT account, alert_id, version, min(ended_at) AS first
    FROM alert_ends
    WHERE (account, alert_id) IN (SELECT account, alert_id FROM holding WHERE alert_id != '')
        OR account IN (SELECT account FROM holding WHERE alert_id = '')
    GROUP BY account, alert_id, version
)
GROUP BY account, alert_id
HAVING at > (SELECT min(at) FROM holding)
