-- The course of an account from `from` on: one row for each of `steps` spans of `step` seconds, oldest first, each with its start, `at`.
-- Counts are those of the panes; within_15m and within_1h of the turns decided in the span. Of the turns that were opened in it, half
-- and nine tenths were answered within half_within and ninety_within, those never answered included, with the 95 % band of the former:
-- wait_curves has the estimate, time_to_answer the band, and a quantile's band ends where the curve's bands cross it (Brookmeyer and
-- Crowley, A confidence interval for the median survival time, Biometrics 38, 1982). unanswered and breached: as they stood at its end.
WITH
    {from:DateTime64(3, 'UTC')} AS start,
    {to:DateTime64(3, 'UTC')} AS end,
    toUnixTimestamp64Milli(start) AS origin,
    {step:Int64} * 1000 AS span,
    counts AS
    (
        SELECT
            intDiv(toUnixTimestamp64Milli(minute) - origin, span) AS place,
            sum(mentions) AS mentions,
            sum(replies) AS replies,
            replies / nullIf(replies + sum(broadcasts), 0) AS reply_share,
            sum(within_15m_hits) / nullIf(sum(within_15m_hits) + sum(within_15m_misses), 0) AS within_15m,
            sum(within_1h_hits) / nullIf(sum(within_1h_hits) + sum(within_1h_misses), 0) AS within_1h
        FROM panes
        WHERE account = {account:String} AND minute >= start AND minute < least(end, now64(3, 'UTC'))
        GROUP BY place
    ),
    waits AS
    (
        SELECT
            place,
            arraySort(groupArray(wait)) AS sorted,
            length(sorted) AS all,
            arrayMap(it -> intDiv(it, 2), sorted) AS milliseconds,
            arrayPushBack(arrayPopFront(milliseconds), -1) AS following,
            arrayCumSum(arrayMap((it, n) -> if(it % 2 = 0, log(1 - 1 / (all - n + 1)), 0), sorted, arrayEnumerate(sorted))) AS logarithms,
            arrayCumSum(arrayMap((it, n) -> if(it % 2 = 0, 1 / ((all - n + 1) * (all - n)), 0), sorted, arrayEnumerate(sorted))) AS variances,
            arrayMap((share, variance) -> exp(1.959963984540054 * sqrt(variance) / share), logarithms, variances) AS factors,
            arrayFirstIndex(share -> share <= log(0.5) + 1e-12, logarithms) AS half,
            arrayFirstIndex(share -> share <= log(0.1) + 1e-12, logarithms) AS ninety,
            arrayFirstIndex((share, factor, now, next) -> now != next AND isFinite(share) AND share < 0 AND share / factor <= log(0.5),
                logarithms, factors, milliseconds, following) AS low,
            arrayFirstIndex((share, factor, now, next) -> now != next AND isFinite(share) AND share < 0 AND share * factor <= log(0.5),
                logarithms, factors, milliseconds, following) AS high
        FROM
        (
            SELECT
                intDiv(toUnixTimestamp64Milli(opened_at) - origin, span) AS place,
                (toUnixTimestamp64Milli(ifNull(answered_at, now64(3, 'UTC'))) - toUnixTimestamp64Milli(opened_at)) * 2
                    + (answered_at IS NULL) AS wait
            FROM turns
            WHERE account = {account:String} AND opened_at >= start AND opened_at < least(end, now64(3, 'UTC'))
        )
        GROUP BY place
    ),
    stood AS
    (
        SELECT
            intDiv(toUnixTimestamp64Milli(as_of) - origin, span) AS place,
            toNullable(argMax(unanswered, as_of)) AS unanswered,
            toNullable(argMax(breached, as_of)) AS breached
        FROM rolling
        WHERE account = {account:String} AND window = '24h' AND as_of >= start AND as_of < end
        GROUP BY place
    )
SELECT
    start + toIntervalMillisecond(span * grid.place) AS at,
    stood.unanswered AS unanswered,
    stood.breached AS breached,
    waits.milliseconds[nullIf(waits.half, 0)] / 1000 AS half_within,
    waits.milliseconds[nullIf(waits.low, 0)] / 1000 AS half_within_low,
    waits.milliseconds[nullIf(waits.high, 0)] / 1000 AS half_within_high,
    waits.milliseconds[nullIf(waits.ninety, 0)] / 1000 AS ninety_within,
    counts.within_15m AS within_15m,
    counts.within_1h AS within_1h,
    counts.mentions AS mentions,
    counts.replies AS replies,
    counts.reply_share AS reply_share
FROM (SELECT toInt64(number) AS place FROM numbers({steps:UInt64})) AS grid
LEFT JOIN counts ON grid.place = counts.place
LEFT JOIN waits ON grid.place = waits.place
LEFT JOIN stood ON grid.place = stood.place
WHERE at < now64(3, 'UTC')
ORDER BY at
