"""What is read of foreign JSON."""

import pytest

from streams.connectors.values import Recent, milliseconds, text


def test_a_time_has_its_zone() -> None:
    assert milliseconds("2019-12-05T11:34:47.196Z") == milliseconds("2019-12-05T12:34:47.196+01:00") == 1575545687196
    for wrong in ("2019-12-05T11:34:47", "yesterday", ""):
        with pytest.raises(ValueError):  # noqa: PT011 - which of them says it is Python's business
            milliseconds(wrong)
    with pytest.raises(TypeError, match="is no text"):
        milliseconds(None)
    assert text("") == ""


def test_what_was_put_in_first_is_forgotten_first() -> None:
    recent = Recent[str, int](2)
    for number, key in enumerate("abac"):
        recent[key] = number
    assert dict(recent) == {"b": 1, "c": 3}
