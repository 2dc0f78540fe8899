"""What is wrong with the plant, against every message that was ever written and read."""

from hypothesis import given
from hypothesis import strategies as st

from streams.notifications.plant import HISTORY, REST, Limits, Reading, Watch, subjects, troubles

SECOND = 1_000
EVERY = 15 * SECOND
LIMITS = Limits(60 * SECOND, 90 * SECOND, 2)
PLACES = [("in", 0), ("in", 1)]


def reading(step: int, ends: tuple[int, int], taken: tuple[int, int] | None, letters: int = 0) -> Reading:
    places = dict(zip(PLACES, ends, strict=True))
    done = {} if taken is None else {place: (it, places[place]) for place, it in zip(PLACES, taken, strict=True)}
    return Reading(step * EVERY, places, letters, {"worker": done})


steps = st.tuples(
    st.tuples(st.integers(0, 1), st.integers(0, 2)),  # written to each partition before a reading
    st.tuples(st.integers(0, 3), st.integers(0, 3)),  # and read, if it is there
    st.sampled_from([0, 0, 0, 1, 2]),
)


@given(st.lists(steps, min_size=1, max_size=40), st.integers(0, 6))
def test_it_is_as_one_sees_who_knows_every_message(
    happens: list[tuple[tuple[int, int], tuple[int, int], int]], idle: int
) -> None:
    written: list[list[int]] = [[], []]  # when each message was there first, by partition
    read, letters, readings = [0, 0], list[int](), list[Reading]()
    for step, (more, taken, new_letters) in enumerate([*happens, *[((0, 0), (0, 0), 0)] * idle]):
        for number in (0, 1):
            written[number] += [step * EVERY] * more[number]
            read[number] = min(read[number] + taken[number], len(written[number]))
        letters += [step * EVERY] * new_letters
        ends = len(written[0]), len(written[1])
        readings.append(reading(step, ends, (read[0], read[1]), len(letters)))
    now = readings[-1].at
    wanted = {}
    unread = [times[done] for times, done in zip(written, read, strict=True) if done < len(times)]
    if unread and now - min(unread) > LIMITS.behind:
        wanted["worker_behind"] = (now - min(unread)) / 1000
    last = max([0, *written[0], *written[1]])
    if now - last > LIMITS.silent:
        wanted["silent"] = (now - last) / 1000
    first = max(0, now - 300 * SECOND)
    recent = sum(at > first for at in letters)
    if recent >= LIMITS.letters:
        wanted["dead_letters"] = recent
    found = troubles(readings, LIMITS)
    assert {it.subject: it.value for it in found} == wanted
    assert {it.subject for it in found} <= {*subjects(["worker"])}


def test_trouble_is_over_after_a_rest() -> None:
    watch = Watch(LIMITS)
    said = []
    for step in range(60):
        taken = 1 if 10 <= step < 30 else min(step, 60)
        said += [
            (step, it.subject, firing)
            for it, firing in watch.take(reading(step, (step, 0), (taken, 0)))
            if it.subject == "worker_behind"
        ]
    rest = REST // EVERY
    assert said == [
        (rest, "worker_behind", False),
        (10, "worker_behind", True),
        (29 + rest, "worker_behind", False),
    ]


def test_who_takes_over_says_what_fires_and_what_does_not() -> None:
    """Since nobody knows what the one before had said."""
    watch, said = Watch(LIMITS), []
    for step in range(20):
        said += [(it.subject, firing) for it, firing in watch.take(reading(step, (7, 0), (7, 0)))]
    assert said == [("silent", True), ("worker_behind", False), ("dead_letters", False)]


def test_readers_that_were_never_there_are_not_missed() -> None:
    assert troubles([reading(step, (step, 0), None) for step in range(20)], LIMITS) == []


def test_what_is_off_is_no_trouble() -> None:
    readings = [reading(step, (7, 0), (0, 0), step) for step in range(20)]
    assert len(troubles(readings, LIMITS)) == 3
    assert troubles(readings, Limits(0, 0, 0)) == []


def test_readings_are_kept_for_an_hour() -> None:
    watch = Watch(LIMITS)
    for step in range(500):
        watch.take(reading(step, (7, 0), (0, 0)))
    (late, _) = sorted(troubles(watch._readings, LIMITS))[1], None  # noqa: SLF001 - what is kept
    assert HISTORY - EVERY <= late.value * 1000 <= HISTORY
