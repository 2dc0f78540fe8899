"""A public and its brands, simulated: the same seed tells the same stories, in the order in which they would arrive.

Every thread is planned as a whole, a :class:`~streams.connectors.truth.Story`, and then its posts are delivered: most
at once, some late, twice, edited or withdrawn. So :class:`~streams.connectors.truth.Truth` knows what was meant.

What a story keeps to, so that its truth is not a matter of opinion (all are rules about ``published_at``):

- no two posts of a story in the same millisecond; every post is after its parent;
- a story in a conversation lasts at most 5 days, less than the 7 after which a thread is over or a turn expires;
- a story without a conversation lasts at most 22 h, and the same contact begins another at the earliest 25 h later;
- under one broadcast, and in one conversation, a contact has one story only;
- all that is told of a post (the post, its edits, its withdrawal, repeats) arrives within ``lateness`` of the post.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from random import Random
from typing import Final, Literal

from schemas.codec import Record
from streams.connectors import phrases
from streams.connectors.base import Counts
from streams.connectors.brands import SECOND, THURSDAY, WEEK, Brand, make_brand
from streams.connectors.polls import polled
from streams.connectors.truth import Post, Story, Truth
from streams.interactions import interaction
from streams.metrics.targets import DAY, HOUR, MINUTE

LONGEST_STORY: Final = 5 * DAY
LONGEST_WITHOUT_CONVERSATION: Final = 22 * HOUR
PAUSE_WITHOUT_CONVERSATION: Final = 25 * HOUR
MOST_MESSAGES: Final = 6
MOST_TURNS: Final = 6


@dataclass(frozen=True)
class SimulatorOptions:
    """What to simulate. Shares are of posts, 0 to 1. All times are in ms."""

    seed: int = 1
    accounts: int = 5
    start: int = 1_767_225_600_000
    """The first story begins after this; 2026-01-01 00:00 UTC unless given."""
    duration: int | None = None
    """No story begins later than this after ``start``; those begun are told to the end. None: without end."""
    events: int | None = None
    """Stop after so many events, wherever the stories are. None: not for that reason."""
    stories_per_hour: float = 6.0
    """Threads that begin per account and hour, the mean over the week; brands differ around it."""
    crises_per_week: float = 0.5
    """How often a day goes wrong for an account: many mentions within minutes."""
    broadcasts_per_day: float = 4.0
    lateness: int = DAY
    """Nothing arrives later than this after the post that it is about."""
    late: float = 0.01
    duplicates: float = 0.01
    edits: float = 0.01
    deletions: float = 0.01
    without_conversation: float = 0.1
    """Share of the stories whose network gives no conversation."""
    polls: int | None = None
    """The counters of an account's posts are asked for this often. None: never. Not counted in ``events``."""


class Simulator:
    """The simulation as a source. Iterating tells it from its beginning, to ``truth`` as well if that is given."""

    name: Final = "simulator"

    def __init__(self, options: SimulatorOptions, truth: Truth | None = None) -> None:
        self.options = options
        self.counts = Counts()
        self._truth = truth

    def __iter__(self) -> Iterator[Record]:
        for event in simulate(self.options, self._truth):
            self.counts.records += 1
            self.counts.count(event)
            yield event


def simulate(options: SimulatorOptions, truth: Truth | None = None) -> Iterator[Record]:
    """Yield Interactions by ``received_at``. Endless unless ``duration`` or ``events`` is given.

    Memory grows with the number of stories under way, not with time; with ``truth`` it grows with time too.
    """
    stories = _stories(options, truth)
    return stories if options.polls is None else polled(stories, options.polls)


def _stories(options: SimulatorOptions, truth: Truth | None) -> Iterator[Record]:
    world = _World(options, truth)
    told = 0
    while world.plans or world.deliveries:
        if told == options.events:
            return
        # All that a plan leads to arrives after its time, so what is due before the next plan is complete.
        if world.plans and (not world.deliveries or world.plans[0][0] <= world.deliveries[0][0]):
            world.carry_out(*heappop(world.plans))
        else:
            told += 1
            yield world.deliver(heappop(world.deliveries))


Plan = Literal["story", "broadcast", "crisis"]
PLANS: Final[tuple[Plan, ...]] = ("story", "broadcast", "crisis")
Delivery = tuple[int, int, Story, Post, int, int]
"""received_at, a serial number that makes the order total, story, post, revision (-1: withdrawal), published_at."""


class _World:
    """What is planned and under way."""

    def __init__(self, options: SimulatorOptions, truth: Truth | None) -> None:
        self.plans: list[tuple[int, int, Plan]] = []
        """When something begins, for which brand, and what."""
        self.deliveries: list[Delivery] = []
        self._options = options
        self._truth = truth
        self._random = Random(options.seed)  # noqa: S311 - a simulation, not a secret
        self._serial = 0
        self._resting: deque[tuple[int, int, str]] = deque()
        """Contacts without conversations: when each may begin again, with which brand, its id."""
        self._end = math.inf if options.duration is None else options.start + options.duration
        self.brands = [make_brand(index, options.stories_per_hour, self._random) for index in range(options.accounts)]
        for index in range(options.accounts):
            for what in PLANS:
                self._plan_next(options.start, index, what)

    def _plan_next(self, now: int, index: int, what: Plan) -> None:
        """Plan when the next story, broadcast or crisis of a brand begins, if that is before the end."""
        options = self._options
        match what:
            case "story":
                at = self._next_story(now, self.brands[index].rate)
            case "broadcast":
                at = self._after(now, options.broadcasts_per_day / DAY)
            case "crisis":
                at = self._after(now, options.crises_per_week / (7 * DAY))
        if at <= self._end and at < math.inf:  # at a rate of 0 never, even in a world without end
            heappush(self.plans, (int(at), index, what))

    def _after(self, now: float, rate: float) -> float:
        return now + 1 + self._random.expovariate(rate) if rate > 0 else math.inf

    def _next_story(self, now: float, rate: float) -> float:
        """Return when the next story begins: a Poisson process whose rate changes with the hour of the week."""
        if rate <= 0:
            return math.inf
        while now <= self._end:
            next_hour = (now // HOUR + 1) * HOUR
            at = now + self._random.expovariate(rate * WEEK[int(now // HOUR + 24 * THURSDAY) % len(WEEK)])
            if at < next_hour:
                return at
            now = next_hour  # what has not happened by then is drawn anew at the new rate: the process has no memory
        return math.inf

    def carry_out(self, at: int, index: int, what: Plan) -> None:
        """Begin what was planned, and plan the next of its kind."""
        brand, random = self.brands[index], self._random
        match what:
            case "story":
                self._tell(self._story(brand, index, at))
            case "broadcast":
                post = self._post("broadcast", brand.network, brand.name, at, None, random.choice(phrases.NEWS))
                brand.broadcast = Story(brand.account, "", post.post_id, -1, [post])
                self._tell(brand.broadcast)
            case "crisis":
                for _ in range(20 + int(brand.rate * 6 * HOUR)):
                    self._tell(self._story(brand, index, at + int(random.expovariate(1 / (8 * MINUTE)))))
        self._plan_next(at, index, what)

    def _post(  # noqa: PLR0913, PLR0917 - it is a record
        self, kind: str, network: str, author: str, at: int, parent: Post | None, phrase: phrases.Phrase, to: str = ""
    ) -> Post:
        self._serial += 1
        lang, sentiment, text = phrase
        return Post(
            f"{network}:{self._serial}", kind, author, at, parent, f"@{to} {text}" if to else text, lang, sentiment
        )

    def _story(self, brand: Brand, index: int, at: int) -> Story:
        """Plan one thread from its first message to its last."""
        random = self._random.random
        root, limit, without = None, at + LONGEST_STORY, random() < self._options.without_conversation
        if without:
            contact, limit = self._rested(index, at), at + LONGEST_WITHOUT_CONVERSATION
        elif brand.broadcast and random() < 0.2:  # noqa: PLR2004 - a fifth of the stories are comments on a broadcast
            contact, root = f"guest{self._serial}", brand.broadcast.posts[0]
        else:
            contact = f"user{int(brand.public * random() ** 2)}"
        posts = self._script(brand, contact, at, limit, root)
        if random() < 0.05:  # noqa: PLR2004 - now and then somebody else knows the answer
            asked, stranger = posts[0], f"user{int(brand.public * random())}x"
            later = asked.at + 1 + int(random() * 10 * MINUTE)
            if later < posts[-1].at:
                posts.append(
                    self._post("peer", brand.network, stranger, later, asked, phrases.PEER_ANSWERS[0], contact)
                )
        posts.sort(key=lambda post: post.at)
        for before, post in pairwise(posts):
            post.at = max(post.at, before.at + 1)
        if without:
            self._resting.append((posts[-1].at + PAUSE_WITHOUT_CONVERSATION, index, contact))
        conversation = "" if without else (root or posts[0]).post_id
        return Story(brand.account, contact, conversation, _followers(contact), posts)

    def _rested(self, index: int, at: int) -> str:
        """Return a contact that has been silent for long enough: the one that has rested longest, or a new one."""
        if self._resting and self._resting[0][0] < at:
            _, brand, contact = self._resting.popleft()
            if brand == index:
                return contact
        return f"visitor{self._serial}"

    def _script(self, brand: Brand, contact: str, at: int, limit: int, root: Post | None) -> list[Post]:
        """Return who writes what and when: turns, each of some messages and perhaps replies."""
        random, choice = self._random.random, self._random.choice
        posts: list[Post] = []
        previous, opening = root, phrases.QUESTIONS
        for _ in range(MOST_TURNS):
            answered_at = brand.answer_time(at, self._random)
            until = limit if answered_at is None else min(answered_at, limit)
            run: list[Post] = []
            while at < until and len(run) < MOST_MESSAGES:
                phrase = choice(phrases.ADDITIONS if run else opening)
                parent = run[-1] if run else previous
                run.append(self._post("mention", brand.network, contact, at, parent, phrase, brand.name))
                if random() < 0.7:  # noqa: PLR2004 - most say all in one message
                    break
                at += 20 * SECOND + int(random() * random() * HOUR)
            if not run:
                break
            posts += run
            if brand.acknowledges:
                soon = run[0].at + 2 * SECOND + int(random() * 8 * SECOND)
                machine = self._post("reply", brand.network, brand.name, soon, run[0], phrases.ACKNOWLEDGEMENT, contact)
                machine.automated = True
                posts.append(machine)
            if answered_at is None or answered_at >= limit:
                break
            asked = run[-1] if random() < 0.8 else choice(run)  # noqa: PLR2004 - mostly the last
            answer = choice(phrases.ANSWERS)
            previous = self._post("reply", brand.network, brand.name, answered_at, asked, answer, contact)
            posts.append(previous)
            if random() < 0.15:  # noqa: PLR2004 - long answers have a second part
                soon = previous.at + 5 * SECOND + int(random() * MINUTE)
                more = choice(phrases.PARTS_TWO)
                previous = self._post("reply", brand.network, brand.name, soon, previous, more, contact)
                posts.append(previous)
            if random() < 0.65:  # noqa: PLR2004 - 'a tweet or two and then nothing'
                break
            at, opening = previous.at + 30 * SECOND + int(self._random.expovariate(1 / HOUR)), phrases.FOLLOW_UPS
        return posts

    def _tell(self, story: Story) -> None:
        """Plan the deliveries of a story's posts."""
        if self._truth is not None:
            self._truth.stories.append(story)
        options, random = self._options, self._random.random
        for post in story.posts:
            latest = post.at + options.lateness
            received_at = self._send(story, post, 0, post.at, post.at, latest)
            if random() < options.duplicates:
                self._send(story, post, 0, post.at, received_at, latest)
            if random() < options.edits:
                self._send(story, post, 1, post.at, post.at + int(random() * options.lateness / 2), latest)
            if post.kind in ("mention", "reply") and random() < options.deletions:
                deleted_at = post.at + int(random() * random() * options.lateness)
                self._send(story, post, -1, deleted_at, deleted_at, latest)

    def _send(  # noqa: PLR0913, PLR0917 - it is a record
        self, story: Story, post: Post, revision: int, published_at: int, earliest: int, latest: int
    ) -> int:
        """Plan one delivery between ``earliest`` and ``latest``, mostly soon; return when it is."""
        self._serial += 1
        random = self._random.random
        late = random() < self._options.late
        delay = random() * (latest - earliest) if late else (0.2 + 3 * random() * random()) * SECOND
        received_at = min(earliest + int(delay), latest)
        heappush(self.deliveries, (received_at, self._serial, story, post, revision, published_at))
        return received_at

    def deliver(self, delivery: Delivery) -> Record:
        """Return the event of a delivery."""
        received_at, _, story, post, revision, published_at = delivery
        network = story.account.partition(":")[0]
        if revision < 0:
            post.withdrawn = True
            return interaction(
                id=post.post_id,
                network=network,
                account=story.account,
                kind="withdrawal",
                published_at=published_at,
                received_at=received_at,
                source="simulator",
            )
        post.delivered = True
        words = post.text.split() if post.kind == "broadcast" else ()
        return interaction(
            id=post.post_id,
            network=network,
            account=story.account,
            kind=post.kind,
            author_id=post.author_id,
            author_name=post.author_id,
            author_followers=story.followers if post.kind == "mention" else -1,
            contact_id=story.contact_id,
            conversation_id=story.conversation_id,
            parent_id=post.parent.post_id if post.parent else "",
            published_at=published_at,
            received_at=received_at,
            text=post.text + phrases.EDITED if revision else post.text,
            lang=post.lang,
            sentiment=post.sentiment,
            hashtags=[word[1:] for word in words if word[0] == "#"],
            links=[word for word in words if word.startswith("https://")],
            automated=post.automated,
            revision=revision,
            source="simulator",
        )


def _followers(contact: str) -> int:
    """Return how many follow a contact, the same each time: from ten to a hundred thousand, few have many."""
    number = int("".join(character for character in contact if character.isdigit()) or 0)
    return int(10 ** (1 + 4 * (number * 2_654_435_761 % (1 << 32) / (1 << 32)) ** 2))
