-- The turns that wait now, the most overdue first. `escalation`: how far the alert of each has gone, -1 if it is silent;
-- `fired_at`: since when (NULL: it is silent).
WITH waiting AS
    (
        SELECT account, turn_id, contact_id, ordinal, opened_at, messages, due_at, calendar, rule, version
        FROM turns_versions FINAL
        WHERE status = 'open'
        ORDER BY due_at, account, turn_id
        LIMIT {limit:UInt32}
    )
SELECT
    waiting.account AS account,
    turn_id,
    contact_id,
    ordinal,
    opened_at,
    messages,
    due_at,
    calendar,
    rule,
    waiting.version AS version,
    ifNull(alert.escalation, -1) AS escalation,
    alert.fired_at AS fired_at,
    ifNull(alert.version, -1) AS alert_version
FROM waiting
LEFT JOIN
(
    SELECT
        account,
        subject,
        if(state = 'firing', toNullable(escalation), NULL) AS escalation,
        if(state = 'firing', toNullable(fired_at), NULL) AS fired_at,
        toNullable(version) AS version
    FROM alerts_versions FINAL
    WHERE kind = 'unanswered'
        AND (account, alert_id) IN (SELECT account, 'unanswered:' || turn_id FROM waiting)
) AS alert
ON waiting.account = alert.account AND waiting.turn_id = alert.subject
ORDER BY due_at, account, turn_id
