"""Connecting to ClickHouse: a server over HTTP, or the same engine inside this process (chDB)."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from streams.errors import ClickHouseError, SettingsError

EMBEDDED: Final = "chdb:"
ALLOWED: Final = "set RAPPORT_CLICKHOUSE to http(s)://user:password@host:port/database"
CONNECT_SECONDS: Final = 10
ANSWER_SECONDS: Final = 300
"""An insert or query that says nothing for this long has failed."""


def connect(target: str, password: str = "", ca_file: Path | None = None) -> Client:
    """Return a client of the ClickHouse at ``target``: ``http(s)://user:password@host:port/database`` or ``chdb:DIR``.

    ``password``: instead of one in the address. ``ca_file``: the authorities that sign the server's certificate, None: those
    that everybody knows; certificate and host name are always checked.
    A database that is not there is created. Times come back with their zone, UTC. Several threads may use the client:
    over HTTP side by side, embedded one after the other (it has a lock; a second ``connect`` to the same DIR in the
    same process runs beside it). Only one process can hold a DIR. Raises :class:`ClickHouseError` and
    :class:`SettingsError`, neither of which shows the password.
    """
    if target.startswith(EMBEDDED):
        return _embedded(target.removeprefix(EMBEDDED))
    try:
        url = urlsplit(target)
        valid = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise SettingsError("the address of ClickHouse is not one", ALLOWED)
    return _server(url, password or unquote(url.password or ""), ca_file)


def _embedded(directory: str) -> Client:
    if not directory:
        raise SettingsError("chdb: names no directory", "write chdb:DIR")
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        return clickhouse_connect.get_client(interface="chdb", path=directory, tz_mode="aware")
    except ImportError:
        raise SettingsError("chDB is not installed", "pip install 'rapport[embedded]'") from None
    except (Error, OSError) as error:
        wrong = f"the ClickHouse data in {directory} cannot be opened ({_line(error)})"
        raise ClickHouseError(wrong, "end the process that holds it, or name another directory") from None


def _server(url: SplitResult, password: str, ca_file: Path | None) -> Client:
    database = unquote(url.path.strip("/")) or "default"
    port = url.port or (8443 if url.scheme == "https" else 8123)
    try:
        client = clickhouse_connect.get_client(
            interface=url.scheme,
            host=url.hostname or "",
            port=port,
            username=unquote(url.username or "default"),
            password=password,
            ca_cert=str(ca_file) if ca_file else None,
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=ANSWER_SECONDS,
            autogenerate_session_id=False,  # a session takes one query at a time
            tz_mode="aware",
        )
        known = client.query("SELECT count() FROM system.databases WHERE name = {name:String}", {"name": database})
        if not known.result_rows[0][0]:
            client.command("CREATE DATABASE IF NOT EXISTS {name:Identifier}", {"name": database})
    except (Error, OSError) as error:
        reason = _line(error)
        if password:
            reason = reason.replace(password, "***")
        wrong = f"ClickHouse at {url.scheme}://{url.hostname}:{port} cannot be used ({reason})"
        raise ClickHouseError(wrong, f"start it, or {ALLOWED}") from None
    client.database = database
    return client


def _line(error: BaseException) -> str:
    """Return what an error says, in one line of bounded length: the system's own words where it has any."""
    text = " ".join(str(error).split())
    system = re.search(r"\[Errno -?\d+\] ([^'\")]+)", text)
    return system[1].lower() if system else text[:300]
