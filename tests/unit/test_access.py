"""Who is let in and what they may do: roles of tokens, and the word of a proxy."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection

from sinks.dashboard.access import COOKIE, EVERYBODY, NEEDED, Gate, Group, Proxy, Token, new_token
from streams.serving import is_guarded, proxy_of, senders_of, tokens_of
from tests.brands_file import load, mistake

GROUPS = (Group("leads", "admin"), Group("support", "agent", ("x:*",)), Group("*", "reader", ("y:1",)))
PROXY = Proxy([ip_network("127.0.0.1"), ip_network("10.0.0.0/8")], "X-Forwarded-User", "X-Forwarded-Groups", GROUPS)
FILE = """\
[proxy]
addresses = ["10.0.0.0/8", "::1"]
user_header = "X-Forwarded-Email"

[[proxy.groups]]
name = "support"
role = "agent"
accounts = ["x:*"]
"""


def asked(address: str, *headers: tuple[str, str]) -> HTTPConnection:
    """Return a request from an address."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return HTTPConnection({"type": "http", "client": (address, 50_000), "headers": raw})


def by_proxy(user: str, groups: str, address: str = "10.1.2.3") -> HTTPConnection:
    return asked(address, ("X-Forwarded-User", user), ("X-Forwarded-Groups", groups))


@pytest.mark.parametrize(("role", "may"), [("reader", 0), ("agent", 2), ("admin", 3)])
def test_a_role_may_what_those_before_it_may(role: str, may: int) -> None:
    token = Token("ann", "0" * 64, role=role)  # type: ignore[arg-type]
    assert [action for action in NEEDED if token.may(action)] == [*NEEDED][:may]


def test_who_is_told_from_nobody_may_everything_and_has_no_name() -> None:
    assert Gate(()).who(asked("127.0.0.1")) is EVERYBODY
    assert (EVERYBODY.may("silence"), EVERYBODY.name) == (True, "")


def test_the_first_group_of_the_file_counts() -> None:
    gate = Gate((), PROXY)
    for groups, role, accounts in (
        ("support,leads", "admin", ("*",)),
        ("other, support", "agent", ("x:*",)),
        ("", "reader", ("y:1",)),
    ):
        person = gate.who(by_proxy("ann", groups))
        assert person is not None
        assert (person.name, person.role, tuple(person.accounts)) == ("ann", role, accounts)


@pytest.mark.parametrize("address", ["192.0.2.1", "11.0.0.1", "::1", "::ffff:192.0.2.1", "testclient", ""])
def test_what_others_write_into_its_headers_is_not_read(address: str) -> None:
    assert Gate((), PROXY).who(by_proxy("root", "leads", address)) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "10.255.0.1", "::ffff:10.0.0.7"])
def test_the_proxy_is_known_by_its_address(address: str) -> None:
    assert Gate((), PROXY).who(by_proxy("ann", "", address)) is not None


def test_without_a_proxy_in_the_file_its_headers_mean_nothing() -> None:
    assert Gate((Token("ann", "0" * 64),)).who(by_proxy("root", "leads", "127.0.0.1")) is None


def test_a_user_named_twice_or_not_at_all_is_nobody() -> None:
    gate = Gate((), PROXY)
    twice = asked("127.0.0.1", ("X-Forwarded-User", "root"), ("X-Forwarded-User", "ann"))
    for connection in (twice, asked("127.0.0.1"), by_proxy(" ", "leads", "127.0.0.1")):
        assert gate.who(connection) is None


def test_somebody_of_no_group_is_nobody() -> None:
    assert (
        Gate((), Proxy(PROXY.addresses, "X-Forwarded-User", "X-Forwarded-Groups", GROUPS[:2])).who(by_proxy("ann", ""))
        is None
    )


def test_programs_have_tokens_beside_a_proxy() -> None:
    token, hashed = new_token()
    gate = Gate((Token("robot", hashed),), PROXY)
    for address in ("192.0.2.1", "127.0.0.1"):
        for header in (("Authorization", f"Bearer {token}"), ("Cookie", f"{COOKIE}={token}")):
            found = gate.who(asked(address, header))
            assert found is not None
            assert found.name == "robot"


def test_the_file_says_whose_word_is_taken(tmp_path: Path) -> None:
    brands = load(FILE, tmp_path)
    proxy = proxy_of(brands)
    assert proxy is not None
    assert (proxy.user_header, proxy.groups_header) == ("X-Forwarded-Email", "X-Forwarded-Groups")
    assert proxy.groups == [Group("support", "agent", ("x:*",))]
    assert is_guarded(brands)
    assert not is_guarded(load("", tmp_path))
    assert proxy_of(load("", tmp_path)) is None


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('"10.0.0.0/8"', '"10.0.0.1/8"', "line 2: proxy.addresses.0: write an address or a network"),
        ('["10.0.0.0/8", "::1"]', "[]", "line 2: proxy.addresses"),
        ('"agent"', '"root"', "proxy.groups.0.role"),
        ("X-Forwarded-Email", "X-Forwarded Email", "line 3: proxy.user_header"),
    ],
)
def test_a_mistake_in_it_is_said(right: str, wrong: str, said: str, tmp_path: Path) -> None:
    assert said in mistake(FILE, right, wrong, tmp_path)


def test_a_token_is_a_readers_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    one = f'[[tokens]]\nname = "ann"\nsha256 = "{"0" * 64}"\n'
    assert [token.role for token in tokens_of(load(one + one + 'role = "agent"\n', tmp_path))] == ["reader", "agent"]


def test_a_sender_pushes_and_is_nobody_on_the_page(tmp_path: Path) -> None:
    one = f'[[tokens]]\nname = "collector"\nsha256 = "{"0" * 64}"\nrole = "sender"\naccounts = ["x:*"]\n'
    brands = load(one, tmp_path)
    assert [(token.name, token.accounts) for token in senders_of(brands)] == [("collector", ("x:*",))]
    assert not any(token.may("acknowledge") for token in senders_of(brands))
    assert tokens_of(brands) == []
    assert not is_guarded(brands), "a page of which nobody has a token stays on its own machine"
    assert "proxy.groups.0.role" in mistake(FILE, '"agent"', '"sender"', tmp_path)
