"""Whether a connector can log in to its network, and as whom."""

from streams.connecting.tables import Table
from streams.errors import RapportError
from streams.http_answers import RefusedError, UnavailableError


async def login(name: str, table: Table) -> tuple[str, bool]:
    """Return what a network says of the credentials, and whether that is well."""
    import httpx  # noqa: PLC0415 - a worker has no use for it, and starts often

    from streams.connectors.making import make  # noqa: PLC0415 - as above

    connector, session = make(name, table.settings, table.secrets, lambda _: None)
    try:
        return await connector.check(), True
    except RefusedError as error:
        return f"the network refuses the credentials ({error})", False
    except (UnavailableError, RapportError) as error:
        return str(error), False
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"the network cannot be reached ({type(error).__name__})", False
    finally:
        await session.close()
