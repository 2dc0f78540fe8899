"""What is new, edited or gone in a list, against plain sets of all that was ever there."""

from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.window import MOST_KEPT, Change, Window, digest

TEXTS = st.sampled_from("abc")


@given(st.lists(st.dictionaries(st.integers(1, 30), TEXTS, max_size=12), min_size=1, max_size=8))
def test_every_look_tells_what_has_changed_since_the_last(looks: list[dict[int, str]]) -> None:
    window, seen = Window(), dict[int, str]()
    window.begin((str(n), n, of) for n, of in looks[0].items())
    newest = max(looks[0], default=0)
    seen |= looks[0]
    for look in looks[1:]:
        window = Window.loads(window.dumps())
        for number, of in look.items():
            wanted = None
            if number not in seen:
                wanted = Change.NEW if number >= newest else None
            elif seen[number] != of:
                wanted = Change.EDITED
            assert window.change(str(number), number, of) is wanted
            if wanted:
                window.add(str(number), number, of)
                seen[number] = of
    there = set(looks[-1])
    assert set(window.gone((str(n) for n in there), 10)) == {str(n) for n in seen if n >= 10 and n not in there}


def test_what_is_kept_has_a_bound_and_what_made_room_does_not_come_back() -> None:
    window = Window()
    for number in range(MOST_KEPT + 50):
        window.add(str(number), number, "a")
    assert len(window.dumps()["seen"]) == MOST_KEPT
    assert all(window.change(str(number), number, "a") is None for number in range(MOST_KEPT + 50))


def test_digests() -> None:
    assert digest("a", "b") == digest("a", "b")
    assert len({digest("a", "b"), digest("ab", ""), digest("b", "a"), digest("a", "\ud800")}) == 4
