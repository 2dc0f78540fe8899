-- What of turns has landed since `since` (ms): every version, the latest last. Without FINAL, so that only what is new is read.
SELECT account, turn_id, contact_id, ordinal, opened_at, messages, due_at, calendar, rule, status, version
FROM turns_versions
WHERE landed_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
ORDER BY version
