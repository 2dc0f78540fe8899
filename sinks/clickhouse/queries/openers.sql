-- Who opened turns, and with what: the posts at the places that `accounts`, `times` (ms) and `ids` name, each with what the account
-- and its author, one of `contacts`, have been to each other. A withdrawn post opens no turn, so withdrawals need no look.
WITH places AS
    (
        SELECT place.1 AS account, fromUnixTimestamp64Milli(place.2, 'UTC') AS published_at, place.3 AS id
        FROM
        (
            SELECT arrayJoin(arrayZip({accounts:Array(String)}, {times:Array(Int64)}, {ids:Array(String)})) AS place
        )
    ),
    posts AS
    (
        SELECT
            account, id, network, author_id, author_name, author_followers, text, lang, url,
            sentiment < toFloat32(-0.05) AS negative -- as in the metrics
        FROM interactions_versions FINAL
        WHERE kind = 'mention' AND (account, published_at, id) IN (SELECT account, published_at, id FROM places)
    ),
    people AS (SELECT arrayJoin(arrayZip({accounts:Array(String)}, {contacts:Array(String)})) AS person)
SELECT
    posts.account AS account,
    posts.id AS id,
    network,
    author_name,
    author_followers,
    text,
    lang,
    negative,
    url,
    contact.tie_strength AS tie_strength,
    ifNull(contact.came_back_now, false) AS came_back,
    ifNull(advocate.advocate, false) AS advocate
FROM posts
LEFT JOIN
(
    SELECT account, contact_id, toNullable(tie_strength) AS tie_strength, toNullable(lapsed) AS came_back_now
    FROM relationships
    WHERE (account, contact_id) IN (SELECT person.1, person.2 FROM people)
) AS contact
ON posts.account = contact.account AND posts.author_id = contact.contact_id
LEFT JOIN
(
    SELECT account, contact_id, toNullable(true) AS advocate
    FROM advocates
    WHERE (account, contact_id) IN (SELECT person.1, person.2 FROM people)
) AS advocate
ON posts.account = advocate.account AND posts.author_id = advocate.contact_id
