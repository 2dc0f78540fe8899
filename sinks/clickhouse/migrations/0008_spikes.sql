-- Spikes, and what they are about.

-- One row is one spike. began_at ≤ time < ended_at holds its events; ended_at is NULL while it goes on. `value` is the most events that
-- 15 of its minutes held, and `baseline` and `spread` are what was usual then.
CREATE OR REPLACE VIEW spikes AS
SELECT
    account,
    subject AS series,
    due_at AS began_at,
    if(state = 'resolved', toNullable(fired_at), NULL) AS ended_at,
    state,
    assumeNotNull(alerts.value) AS value,
    assumeNotNull(alerts.baseline) AS baseline,
    assumeNotNull(alerts.spread) AS spread
FROM alerts
WHERE kind = 'spike';

-- The terms of each mention of an account, each once per post: words in lower case, hashtags, and links without what differs from one
-- to the next (scheme, www, query). Addressees and numbers are left out: they stand for no topic.
CREATE OR REPLACE VIEW mentioned_terms AS
SELECT
    account,
    id,
    published_at,
    url,
    text,
    extractAll(text, 'https?://[^\\s<>"]+') AS urls,
    replaceRegexpAll(lowerUTF8(text), 'https?://[^\\s<>"]+|@[\\pL\\pN_.]+', ' ') AS bare_text,
    arrayDistinct(arrayConcat(
        arrayMap(word -> replaceAll(word, '’', '\''), extractAll(bare_text, '#?\\pL[\\pL\\pM\\pN_]*(?:[\'’]\\pL+)*')),
        arrayMap(tag -> concat('#', lowerUTF8(tag)), hashtags),
        arrayMap(link -> replaceRegexpAll(link, '^https?://(?:www\\.)?|[?#].*$|[/.,;:!)\'’]+$', ''), arrayConcat(urls, links)))) AS terms
FROM interactions
WHERE kind = 'mention' AND account = {account:String}
    AND published_at >= {from:DateTime64(3, 'UTC')} AND published_at < {to:DateTime64(3, 'UTC')};

-- What stands out in an account's mentions of from ≤ time < to against those of the 28 days before: the log-odds ratio of each term
-- with an informative Dirichlet prior, and that in standard deviations (Monroe, Colaresi and Quinn, Fightin' Words, Political Analysis
-- 16, 2008). The prior is what was said in both together. So what is always said stands out nowhere, without any list of stop
-- words, and what is seldom said does not by accident. Examples are the first posts that say it. A term of one post alone is left out.
CREATE OR REPLACE VIEW spike_terms AS
WITH
    said AS
    (
        SELECT
            published_at >= {from:DateTime64(3, 'UTC')} AS inside,
            published_at,
            id,
            url,
            text,
            arrayJoin(terms) AS term
        FROM mentioned_terms(
            account = {account:String}, from = {from:DateTime64(3, 'UTC')} - INTERVAL 28 DAY, to = {to:DateTime64(3, 'UTC')})
    ),
    counted AS
    (
        SELECT
            term,
            countIf(inside) AS posts,
            countIf(NOT inside) AS posts_before,
            sum(posts) OVER () AS all_terms,
            sum(posts_before) OVER () AS all_before,
            posts + posts_before AS prior,
            all_terms + all_before AS all_prior,
            arrayMap(
                post -> tuple(post.2, post.3, post.4),
                arraySlice(arraySort(groupArrayIf(tuple(published_at, id, url, text), inside)), 1, 3))
                ::Array(Tuple(id String, url String, text String)) AS examples
        FROM said
        GROUP BY term
    )
SELECT
    term,
    posts,
    posts_before,
    log((posts + prior) / (all_terms + all_prior - posts - prior))
        - log((posts_before + prior) / (all_before + all_prior - posts_before - prior)) AS log_odds_ratio,
    log_odds_ratio / sqrt(1 / (posts + prior) + 1 / (posts_before + prior)) AS z,
    examples
FROM counted
WHERE posts >= 2 AND z > 0
ORDER BY z DESC, term;
