"""Which replies say the same."""

import pytest

from streams.connectors.templates import template_number, template_of
from tests.integration.test_clickhouse_engagement import TEXTS


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_left_of_a_reply(text: str) -> None:
    _, template = TEXTS[text]
    assert template_of(text) == template
    assert (template_number(text) == 0) == (template == "")
    assert 0 <= template_number(text) < 1 << 48


def test_a_number_is_that_of_what_is_said() -> None:
    assert template_number("@ann Hi Ann, we are on it ^AB") == template_number("@bob we are on it! https://t.co/x")
    assert template_number("we are on it") != template_number("we are off it")
    assert template_number(" " * 250_000 + "a") == template_number("a")
