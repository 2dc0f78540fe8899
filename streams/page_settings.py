"""Who may see the page and act on it, as ``rapport.toml`` has it: ``[[tokens]]`` and ``[proxy]``."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from streams.tables import NamedApart, Table, Text

Role = Literal["reader", "agent", "admin"]
TokenRole = Literal[Role, "sender"]
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]


def _network(address: str) -> str:
    try:
        ip_network(address)
    except ValueError as error:
        raise PydanticCustomError(
            "network", "write an address or a network, as 10.0.0.7 or 10.0.0.0/8 ({why})", {"why": str(error)}
        ) from None
    return address


class _Rights(Table):
    """What somebody may."""

    name: Text
    role: TokenRole
    accounts: tuple[str, ...] = Field(
        ("*",), min_length=1, description="the accounts that may be seen; * stands for anything"
    )


class PageToken(_Rights):
    """One ``[[tokens]]``: who may see the page, and what of it, or push to ``rapport listen``. `rapport token` makes one."""

    name: Text = Field(description="whose it is")
    role: TokenRole = Field("reader", description="what may be done: reader, agent, admin; sender: push interactions")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the token")


class PageGroup(_Rights):
    """One ``[[proxy.groups]]``."""

    name: Text = Field(description="as the proxy says it; * for anybody it has let in")
    role: Role = Field("reader", description="what may be done: reader, agent, admin")


class PageProxy(Table):
    """``[proxy]``: who has people log in and says in headers who they are."""

    addresses: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        min_length=1, description="where it asks from; the headers of anybody else are not read"
    )
    user_header: Header = Field("X-Forwarded-User", description="says who somebody is")
    groups_header: Header = Field("X-Forwarded-Groups", description="says their groups, separated by commas")
    groups: Annotated[tuple[PageGroup, ...], NamedApart] = Field(
        min_length=1, description="what people of each may; the first that somebody is in counts"
    )
