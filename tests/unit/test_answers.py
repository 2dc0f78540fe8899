"""Answers to messages: what a signed link is believed to say, and what not."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.answers import SNOOZE, Answer, Signed, dumps, keys, loads, read, sign

KEY, OTHER = "k" * 32, "o" * 32
SAID = Signed(Answer("x:acme", "unanswered:x:1", "acknowledge"), "ops@acme.test", 1000)
ANSWERS = st.builds(Answer, st.text(min_size=1), st.text(), st.sampled_from(["acknowledge", "snooze"]))


@given(st.builds(Signed, ANSWERS, st.text(), st.integers(1, 2**53)))
def test_what_was_signed_is_read_until_it_expires(signed: Signed) -> None:
    text = sign(signed, KEY)
    assert read(text, [OTHER, KEY], signed.expires - 1) == signed
    with pytest.raises(ValueError, match="too old"):
        read(text, [KEY], signed.expires)


@given(st.data())
def test_a_link_of_which_one_character_is_changed_is_not_believed(data: st.DataObject) -> None:
    text = sign(SAID, KEY)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda it: it != text[at]))
    with pytest.raises(ValueError, match="not made here"):
        read(text[:at] + other + text[at + 1 :], [KEY], 0)


@given(st.text())
def test_no_text_that_somebody_makes_up_is_believed(text: str) -> None:
    with pytest.raises(ValueError, match="not made here"):
        read(text, [KEY], 0)


def test_another_key_another_statement_or_no_key_is_no_proof() -> None:
    body, _, signature = sign(SAID, KEY).partition(".")
    forged = base64.urlsafe_b64encode(json.dumps(["x:acme", "", "snooze", "", 10**15]).encode()).decode().rstrip("=")
    for text, known in (
        (sign(SAID, OTHER), [KEY]),
        (f"{forged}.{signature}", [KEY]),
        (f"{body}.", [KEY]),
        (body, [KEY]),
        (sign(SAID, KEY), []),
        (sign(SAID, ""), [KEY]),
    ):
        with pytest.raises(ValueError, match="not made here"):
            read(text, known, 0)


@given(ANSWERS)
def test_a_button_has_its_answer_back(answer: Answer) -> None:
    assert loads(dumps(answer)) == answer


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '["x:acme","a"]', '["x:acme","a","silence"]', '["","a","snooze"]', '["x",1,"snooze"]']
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)


def test_a_snooze_has_an_end_an_acknowledgement_that_of_its_route() -> None:
    snooze, acknowledge = (Answer("x:acme", "a", action).command("bea", 5) for action in ("snooze", "acknowledge"))
    assert (snooze["until"], acknowledge["until"]) == (5 + SNOOZE, 0)
    assert snooze["by"] == "bea"


def test_keys_are_long_and_may_be_several() -> None:
    assert keys(f"{KEY}\n{OTHER}\n") == [KEY, OTHER]
    for secret in ("", "k" * 31, f"{KEY} short"):
        with pytest.raises(ValueError, match="at least 32"):
            keys(secret)
