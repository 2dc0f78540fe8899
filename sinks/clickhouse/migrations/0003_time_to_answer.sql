-- How long people wait, those who still wait included: Kaplan and Meier's estimate of the share that is not answered yet. A median
-- of answered turns hides who was never answered; here a turn without an answer counts for as long as it has waited
-- (right-censored at its age). What is seen is what was known at `to`, or now if that is earlier.

-- The turns opened in from ≤ time < to: how long each has waited, and whether an answer ended that.
CREATE OR REPLACE VIEW waits AS
SELECT
    account,
    turn_id,
    ifNull(answered_at < end, false) AS closed,
    (toUnixTimestamp64Milli(if(closed, assumeNotNull(answered_at), end)) - toUnixTimestamp64Milli(opened_at)) / 1000 AS seconds
FROM (SELECT *, least({to:DateTime64(3, 'UTC')}, now64(3, 'UTC')) AS end FROM turns)
WHERE opened_at >= {from:DateTime64(3, 'UTC')} AND opened_at < end;

-- One row for each moment at which a turn was answered or last seen waiting. `survival` is the share still unanswered after so many
-- seconds, `low` and `high` its 95 % band: Greenwood's variance on the scale of log(−log), as most statistics programs have it
-- (Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data, 2nd edition, section 1.4). Where survival is 0 or 1
-- there is no band.
CREATE OR REPLACE VIEW time_to_answer AS
WITH
    moments AS
    (
        SELECT seconds, countIf(closed) AS answered, sum(count()) OVER (ORDER BY seconds DESC) AS at_risk
        FROM waits(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
        WHERE account = {account:String}
        GROUP BY seconds
    ),
    curve AS
    (
        SELECT
            *,
            exp(sum(log(1 - answered / at_risk)) OVER (ORDER BY seconds)) AS share,
            sum(answered / nullIf(at_risk * (at_risk - answered), 0)) OVER (ORDER BY seconds) AS variance,
            share > 0 AND share < 1 AS inside,
            exp(1.959963984540054 * sqrt(variance) / log(share)) AS factor
        FROM moments
    )
SELECT
    seconds,
    at_risk,
    answered,
    share AS survival,
    if(inside, pow(share, 1 / factor), NULL) AS low,
    if(inside, pow(share, factor), NULL) AS high
FROM curve
ORDER BY seconds;

-- The same curve for each account as two arrays: the ms that each turn has waited, shortest first, and the logarithm of the share that
-- is still unanswered then. A wait is a number, twice its ms, and one more if no answer ended it: sorted, the n-th of N is at
-- risk among the N − n + 1 that are left, and answers come first among equals, so that one after the other they take from
-- survival what they take together. Eight times as fast as grouping the turns of all accounts by moments.
CREATE OR REPLACE VIEW wait_curves AS
SELECT
    account,
    arraySort(groupArray(toInt64(round(seconds * 1000)) * 2 + NOT closed)) AS sorted,
    arrayMap(wait -> intDiv(wait, 2), sorted) AS milliseconds,
    arrayCumSum(arrayMap(
        (wait, place) -> if(wait % 2 = 0, log(1 - 1 / (length(sorted) - place + 1)), 0), sorted, arrayEnumerate(sorted))) AS logarithms
FROM waits(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
GROUP BY account;

-- Of each account: within how many seconds half, and nine tenths, of all turns are answered. NULL where so many have not been.
CREATE OR REPLACE VIEW account_waits AS
SELECT
    account,
    milliseconds[nullIf(arrayFirstIndex(it -> it <= log(0.5) + 1e-12, logarithms), 0)] / 1000 AS half_within,
    milliseconds[nullIf(arrayFirstIndex(it -> it <= log(0.1) + 1e-12, logarithms), 0)] / 1000 AS ninety_within
FROM wait_curves(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')});

-- Whether pairs of accounts, or two periods of accounts, keep people waiting differently: the log-rank test of the first of `accounts`
-- against the first of `other_accounts`, and so on. `expected` is how many of the first would have been answered if there were no
-- difference; more answers than that are sooner answers. `p_value` is the chance of a difference as large as this by accident
-- (chi-squared, one degree of freedom).
CREATE OR REPLACE VIEW time_to_answer_compared AS
WITH
    both AS
    (
        SELECT 1 AS first, closed, seconds, {accounts:Array(String)} AS named, account
        FROM waits(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
        WHERE account IN {accounts:Array(String)}
        UNION ALL
        SELECT 0 AS first, closed, seconds, {other_accounts:Array(String)} AS named, account
        FROM waits(from = {other_from:DateTime64(3, 'UTC')}, to = {other_to:DateTime64(3, 'UTC')})
        WHERE account IN {other_accounts:Array(String)}
    ),
    moments AS
    (
        SELECT
            pair,
            countIf(closed) AS answers,
            countIf(closed AND first) AS answers_first,
            sum(count()) OVER (PARTITION BY pair ORDER BY seconds DESC) AS at_risk,
            sum(countIf(first)) OVER (PARTITION BY pair ORDER BY seconds DESC) AS at_risk_first,
            answers * at_risk_first / at_risk AS expected_first
        FROM both
        ARRAY JOIN arrayFilter((place, name) -> name = account, arrayEnumerate(named), named) AS pair
        GROUP BY pair, seconds
    )
SELECT
    {accounts:Array(String)}[pair] AS account,
    {other_accounts:Array(String)}[pair] AS other_account,
    sum(answers_first) AS answered,
    sum(expected_first) AS expected,
    sum(answers) - answered AS other_answered,
    sum(answers) - expected AS other_expected,
    pow(answered - expected, 2)
        / nullIf(sum(expected_first * (1 - at_risk_first / at_risk) * (at_risk - answers) / nullIf(at_risk - 1, 0)), 0) AS statistic,
    erfc(sqrt(statistic / 2)) AS p_value
FROM moments
GROUP BY pair
ORDER BY pair;
