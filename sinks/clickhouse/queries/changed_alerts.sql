-- What of the alerts of turns that wait has landed since `since` (ms): every version, the latest last.
SELECT account, subject AS turn_id, if(state = 'firing', escalation, -1) AS escalation, fired_at, version
FROM alerts_versions
WHERE kind = 'unanswered' AND landed_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
ORDER BY version
