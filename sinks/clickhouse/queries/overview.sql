-- One row per account: how its 24 hours up to `at` stand, and its mentions and replies of each of these hours, oldest first.
WITH {at:DateTime64(3, 'UTC')} AS present
SELECT now.*, hours.mentions_by_hour AS mentions_by_hour, hours.replies_by_hour AS replies_by_hour
FROM
(
    SELECT * FROM rolling
    WHERE window = '24h' AND as_of > present - INTERVAL 25 HOUR AND (account, as_of) IN
    (
        SELECT account, max(as_of) FROM rolling_versions -- their places alone, which is a fraction of their columns
        WHERE window = '24h' AND as_of > present - INTERVAL 25 HOUR AND as_of <= present
        GROUP BY account
    )
) AS now
LEFT JOIN
(
    SELECT
        account,
        arrayReverse(sumForEach(arrayMap(hour -> if(hour = ago, mentions, 0), range(24)))) AS mentions_by_hour,
        arrayReverse(sumForEach(arrayMap(hour -> if(hour = ago, replies, 0), range(24)))) AS replies_by_hour
    FROM
    (
        SELECT account, mentions, replies, intDiv(dateDiff('second', minute, present), 3600) AS ago
        FROM panes
        WHERE minute > present - INTERVAL 24 HOUR AND minute <= present
    )
    GROUP BY account
) AS hours
ON now.account = hours.account
ORDER BY unanswered DESC, account
