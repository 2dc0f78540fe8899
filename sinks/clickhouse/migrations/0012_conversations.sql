-- Conversations of any period and how deep they went, as the windows of the stream have them: threads in which the contact has written and
-- whose latest message is in from ≤ time < to, and how often the side changed in their whole life up to `to`. A thread is what the fold
-- makes of messages (docs/metrics.md), by the default expiry of 7 days: messages of one contact in one conversation without so long a
-- silence, or 24 hours where there is no conversation. A reply that does not say whose it is belongs with the post that it
-- answers, itself perhaps such a reply.
-- `account` empty: of all. It is a parameter, since ClickHouse does not bring a condition on the result down to the messages.

-- The messages of threads, with the conversation and the contact that each belongs to. `placed_at`: its own time, ms, or that of the post it
-- answers if that is later. `follows`: the post of the same that it answers, for it is in the thread of that whatever the silence; or empty.
CREATE OR REPLACE VIEW thread_messages AS
WITH
    said AS
    (
        SELECT
            account,
            id,
            kind = 'reply' AS ours,
            automated,
            parent_id,
            conversation_id AS conversation,
            if(kind = 'mention', author_id, contact_id) AS contact,
            kind = 'mention' OR contact != '' AND (conversation != '' OR parent_id = '') AS homed,
            toUnixTimestamp64Milli(published_at) AS at
        FROM interactions
        WHERE kind IN ('mention', 'reply') AND ({account:String} = '' OR account = {account:String})
            AND published_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 91 DAY AND published_at < {to:DateTime64(3, 'UTC')}
    ),
    answering AS
    (
        SELECT
            reply.*,
            parent.id != '' AND reply.at >= parent.at - 604800000 AND reply.at <= parent.at + 1209600000 AS near,
            near AND parent.homed AS beside,
            parent.conversation AS parent_conversation,
            parent.contact AS parent_contact,
            parent.at AS parent_at,
            parent.parent_id AS grandparent_id
        FROM (SELECT * FROM said WHERE ours) AS reply
        LEFT JOIN said AS parent ON reply.account = parent.account AND reply.parent_id = parent.id
    ),
    placed AS
    (
        SELECT
            reply.*,
            reply.near AND NOT reply.beside AND grandparent.homed AND grandparent.id != ''
                AND reply.parent_at >= grandparent.at - 604800000 AND reply.parent_at <= grandparent.at + 1209600000 AS below,
            multiIf(
                reply.homed, (reply.conversation, reply.contact),
                reply.beside, (reply.parent_conversation, reply.parent_contact),
                below, (grandparent.conversation, grandparent.contact),
                ('', reply.contact)) AS place
        FROM answering AS reply
        LEFT JOIN said AS grandparent ON reply.account = grandparent.account AND reply.grandparent_id = grandparent.id
    )
SELECT account, conversation, contact, id, ours, automated, at AS placed_at, '' AS follows
FROM said
WHERE NOT ours
UNION ALL
SELECT
    account,
    place.1 AS conversation,
    place.2 AS contact,
    id,
    ours,
    automated,
    if(follows = '', at, greatest(at, parent_at)) AS placed_at,
    if(below OR beside AND (place.1, place.2) = (parent_conversation, parent_contact), parent_id, '') AS follows
FROM placed
WHERE place.2 != '';

CREATE OR REPLACE VIEW account_conversations AS
WITH
    strands AS
    (
        SELECT
            account,
            arraySort(groupArray((placed_at, multiIf(automated, 2, ours, 1, 0), id, follows))) AS messages,
            messages.1 AS times,
            messages.2 AS sides,
            messages.3 AS ids,
            if(conversation = '', 86400000, 604800000) AS silence,
            -- one after the other: the thread of each so far, the number of the latest thread, and its last time
            if(arrayMax(arrayDifference(times)) <= silence, arrayMap(time -> toUInt32(1), times), arrayFold(
                (known, message) -> (
                    arrayPushBack(known.1, if(known.1[indexOf(ids, message.4)] > 0, known.1[indexOf(ids, message.4)],
                        toUInt32(known.2 + (message.1 - known.3 > silence))) AS thread),
                    greatest(known.2, thread),
                    if(thread >= known.2, message.1, known.3)),
                messages, (emptyArrayUInt32(), toUInt32(1), times[1])).1) AS threads,
            arrayFilter(message -> message.2 != 2, arrayZip(threads, sides)) AS people,
            arraySort((message, place) -> (message.1, place), people, arrayEnumerate(people)) AS spoken,
            arrayFilter(
                (thread, now, before) -> now.1 = before.1 AND now.2 != before.2,
                spoken.1, spoken, arrayPushFront(arrayPopBack(spoken), spoken[1])) AS changes
        FROM thread_messages(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, account = {account:String})
        GROUP BY account, conversation, contact
        HAVING times[-1] >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')})
    ),
    ended AS
    (
        SELECT
            account,
            arrayJoin(arrayDistinct(arrayFilter(
                (thread, time) -> time >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), threads, times))) AS thread,
            countEqual(changes, thread) AS alternations
        FROM strands
        WHERE has(spoken, (thread, 0))
    )
SELECT
    account,
    count() AS conversations,
    sum(alternations) AS alternations,
    countIf(ended.alternations >= 2) AS reach_2,
    countIf(ended.alternations >= 3) AS reach_3,
    countIf(ended.alternations >= 5) AS reach_5
FROM ended
GROUP BY account;
