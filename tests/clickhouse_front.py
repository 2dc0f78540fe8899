"""A ClickHouse to break: chDB's engine behind HTTP, in a process that can be killed and told to misbehave.

``python -m tests.clickhouse_front DIRECTORY PORT``. It speaks as much of ClickHouse's HTTP interface as clickhouse_connect uses.
The data is in the directory and survives ``kill -9``, as a server's does. ``POST /misbehave/<what>?seconds=…``:

==========  ==============================================================================================
``refuse``  close every connection unanswered, for so many seconds
``full``    answer inserts with the error of a full disk, for so many seconds
``slow``    let inserts wait a second, for so many seconds
``reset``   carry out the next insert, and reset its connection instead of answering
``die``     end by SIGKILL while the next insert is under way
==========  ==============================================================================================
"""
# ruff: noqa: ANN401 - chDB has no types, and requests of a socketserver have none

import json
import os
import random
import re
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

from tests.processes import Process

LASTING = ("refuse", "full", "slow")
ONCE = ("reset", "die")
FULL = "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)"
SLOW_SECONDS = 1.0
DIE_WITHIN = 0.03
"""Seconds after its beginning in which an insert is interrupted; most take less."""
INSERT = re.compile(rb"\s*(INSERT INTO [^\n]+?)\s+FORMAT (\w+)\s*\n")
"""A statement that is followed by its data."""
TRANSPORT = re.compile(
    r"query|query_id|database|wait_end_of_query|client_protocol_version|.*progress.*|.*compression|param_.*"
)
"""Parameters of a request that are no settings of the engine."""


class Engine:
    """chDB, with a connection for each thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.incoming = directory / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)
        for left in self.incoming.iterdir():
            left.unlink()
        self._connections = threading.local()
        self.query("SELECT 1", {}, "")

    def query(self, sql: str, parameters: dict[str, str], database: str) -> Any:
        import chdb  # noqa: PLC0415 - slow, and only in the server's process

        connection = getattr(self._connections, "own", None)
        if connection is None:
            connection = self._connections.own = chdb.connect(str(self.directory / "data"))
        if database:
            connection.query(f"USE `{database}`", "TabSeparated")
        return connection.query(sql, "TabSeparated", params=parameters)

    def insert(self, statement: re.Match[bytes], body: bytes, settings: dict[str, str], database: str) -> Any:
        """Carry out an :data:`INSERT` with ``body`` as its data."""
        head, file_format = statement[1].decode(), statement[2].decode()
        with tempfile.NamedTemporaryFile(dir=self.incoming) as file:
            file.write(body)
            file.flush()
            clause = ", ".join(f"{name} = '{value}'" for name, value in settings.items())
            source = f"FROM INFILE '{file.name}' {'SETTINGS ' if clause else ''}{clause} FORMAT {file_format}"
            return self.query(f"{head} {source}", {}, database)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine
    until: dict[str, float] = {}  # noqa: RUF012 - shared by all connections, as is meant
    """When each lasting misbehaviour ends, monotonic seconds."""
    once: set[str] = set()  # noqa: RUF012 - shared

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path.startswith("/misbehave/"):
            self._misbehave(url.path.rpartition("/")[2], float(parameters.get("seconds", 0)))
        elif self._now("refuse"):
            self._reset()
        elif url.path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._query(parameters, body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _misbehave(self, what: str, seconds: float) -> None:
        if what in ONCE:
            self.once.add(what)
        elif what in LASTING:
            self.until[what] = time.monotonic() + seconds
        self._answer(200 if what in LASTING + ONCE else 404, b"")

    def _now(self, what: str) -> bool:
        return time.monotonic() < self.until.get(what, 0)

    def _query(self, parameters: dict[str, str], body: bytes) -> None:
        sent, database = parameters.get("query", "").encode() + body, parameters.get("database", "")
        insert = INSERT.match(sent)
        bound = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
        settings = {name: value for name, value in parameters.items() if not TRANSPORT.fullmatch(name)}
        try:
            if insert:
                self._before_insert()
                result = self.engine.insert(insert, sent[insert.end() :], settings, database)
            else:
                result = self.engine.query(sent.decode(), bound, database)
        except RuntimeError as error:
            code = re.search(r"Code: (\d+)", str(error))
            self._answer(500, str(error).encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1001"})
            return
        if insert and "reset" in self.once:
            self.once.discard("reset")
            self._reset()
            return
        rows = str(result.rows_read())
        summary = {"written_rows": rows} if insert else {"read_rows": rows}
        self._answer(200, result.bytes() or b"", {"X-ClickHouse-Summary": json.dumps(summary)})

    def _before_insert(self) -> None:
        if self._now("full"):
            raise RuntimeError(FULL)
        if self._now("slow"):
            time.sleep(SLOW_SECONDS)
        if "die" in self.once:
            threading.Timer(random.uniform(0, DIE_WITHIN), os.kill, (os.getpid(), signal.SIGKILL)).start()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "X-ClickHouse-Timezone": "UTC",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        if body:
            self.send_header("X-ClickHouse-Format", "TabSeparated")
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """Close the connection so that the other side sees a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that are gone."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Front(Process):
    """The server as a process, seen from outside."""

    def __init__(self, directory: Path, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self.url = f"{self._address}/default"
        directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.clickhouse_front", str(directory), str(port)]
        super().__init__(command, directory / "front.log")

    def start(self) -> None:
        """Start it, again too, and wait until it answers."""
        super().start()
        for _ in range(300):
            if self.popen.poll() is not None:
                raise RuntimeError(self.log.read_text(errors="replace")[-2000:])
            try:
                urlopen(f"{self._address}/ping", timeout=2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the ClickHouse front did not start within 30 seconds")

    def misbehave(self, what: str, seconds: float = 0) -> None:
        url = f"{self._address}/misbehave/{what}?seconds={seconds}"
        urlopen(Request(url, method="POST"), timeout=5).close()


if __name__ == "__main__":
    Handler.engine = Engine(Path(sys.argv[1]))
    Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
