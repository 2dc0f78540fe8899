"""Signatures beside those of the official package of Standard Webhooks, and what nobody who has no secret can make."""

import base64
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from streams.signatures import REPLAY_SECONDS, is_standard_webhook, secrets_in, standard_webhook

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOW = 1_614_265_330
SAID = "msg_p5jXN8AQM9LWM0D4loKWxJek"


def headers(signature: str, at: str = str(NOW), name: str = SAID) -> dict[str, str]:
    return {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature}


def test_the_example_of_the_standard() -> None:
    signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    body = b'{"test": 2432232314}'
    assert standard_webhook(SECRET, SAID, str(NOW), body) == signature
    assert is_standard_webhook([OTHER, SECRET], headers(signature), body, NOW)


@given(st.binary(), st.from_regex(r"\A[!-~]{1,50}\Z"), st.integers(1, 1 << 33))
def test_the_official_package_signs_the_same(body: bytes, name: str, at: int) -> None:
    text = base64.b64encode(body).decode()  # it takes text alone
    when = dt.datetime.fromtimestamp(at, dt.UTC)
    made = Webhook(SECRET).sign(name, when, text)
    assert standard_webhook(SECRET, name, str(at), text.encode()) == made
    assert is_standard_webhook([SECRET], headers(made, str(at), name), text.encode(), at)


def test_the_official_package_believes_what_is_signed_here_and_nothing_else() -> None:
    at, body = str(int(dt.datetime.now(dt.UTC).timestamp())), b'{"a": 1}'
    Webhook(SECRET).verify(body, headers(standard_webhook(SECRET, SAID, at, body), at))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers(standard_webhook(OTHER, SAID, at, body), at))


def test_while_a_secret_rotates_either_side_may_know_both() -> None:
    body = b"{}"
    old, new = (standard_webhook(secret, SAID, str(NOW), body) for secret in (SECRET, OTHER))
    for signature in (old, new, f"v1a,x {old} {new}", f"v2,y {new}"):
        assert is_standard_webhook([SECRET, OTHER], headers(signature), body, NOW)
    assert not is_standard_webhook([SECRET], headers(new), body, NOW)
    assert not is_standard_webhook([], headers(old), body, NOW)


@pytest.mark.parametrize(
    ("late", "believed"), [(0, True), (REPLAY_SECONDS, True), (-REPLAY_SECONDS, True), (301, False), (-301, False)]
)
def test_what_was_signed_long_ago_may_have_been_overheard(late: int, believed: bool) -> None:  # noqa: FBT001
    signature = standard_webhook(SECRET, SAID, str(NOW), b"")
    assert is_standard_webhook([SECRET], headers(signature), b"", NOW + late) is believed


@pytest.mark.parametrize(
    "changed",
    [{"webhook-id": "other"}, {"webhook-id": ""}, {"webhook-timestamp": str(NOW + 1)}, {"webhook-signature": ""}],
)
def test_everything_is_signed(changed: dict[str, str]) -> None:
    given = headers(standard_webhook(SECRET, SAID, str(NOW), b"body")) | changed
    assert not is_standard_webhook([SECRET], given, b"body", NOW)
    assert not is_standard_webhook([SECRET], headers(standard_webhook(SECRET, SAID, str(NOW), b"body")), b"bodY", NOW)
    assert not is_standard_webhook([SECRET], {}, b"body", NOW)


@given(st.text(), st.text(), st.text(), st.binary())
def test_nothing_that_somebody_makes_up_is_believed(name: str, at: str, signature: str, body: bytes) -> None:
    assert not is_standard_webhook([SECRET], headers(signature, at, name), body, NOW)


@pytest.mark.parametrize("text", ["", " \n", "short", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw x"])
def test_a_secret_that_anybody_guesses_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="at least 16 characters"):
        secrets_in(text)


def test_secrets_are_apart_by_white_space() -> None:
    assert secrets_in(f"{SECRET}\n{OTHER} ") == [SECRET, OTHER]
    with pytest.raises(ValueError, match="not base64") as wrong:
        standard_webhook("whsec_not base64 at all", SAID, "1", b"")
    assert "at all" not in str(wrong.value)
