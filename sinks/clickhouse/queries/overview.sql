-- One row per account: how its last 24 hours stand now, and its mentions of each of these hours, oldest first.
SELECT now.*, hours.mentions_by_hour AS mentions_by_hour
FROM
(
    SELECT * FROM rolling
    WHERE window = '24h' AND as_of > now64(3, 'UTC') - INTERVAL 25 HOUR
    ORDER BY as_of DESC
    LIMIT 1 BY account
) AS now
LEFT JOIN
(
    SELECT account, arrayReverse(sumForEach(placed)) AS mentions_by_hour
    FROM
    (
        SELECT
            account,
            arrayMap(hour -> if(hour = dateDiff('hour', minute, now64(3, 'UTC')), mentions, 0), range(24)) AS placed
        FROM panes
        WHERE minute > now64(3, 'UTC') - INTERVAL 24 HOUR AND minute <= now64(3, 'UTC')
    )
    GROUP BY account
) AS hours
ON now.account = hours.account
ORDER BY unanswered DESC, account
