"""A Kafka that trusts nobody: TLS, logins of every kind, no right that was not granted. It takes Maven's jars and openssl.

===========  ==========================================================================================
listener     who may come in
===========  ==========================================================================================
``login``    SASL_SSL: SCRAM-SHA-256, SCRAM-SHA-512 and PLAIN, each user with the password that is given
``mutual``   SSL: whoever has a certificate of our authority; the principal is its subject
``tokens``   SASL_SSL: OAUTHBEARER, with a token that our server has signed
===========  ==========================================================================================

A plain listener on the loopback address is the super user: with it a test grants rights, and nothing of Rapport's uses it.
"""

import base64
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from schemas.access import Grant
from tests.kafka_broker import Node, fetch_jars, format_storage
from tests.processes import free_ports

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{plain},LOGIN://127.0.0.1:{login},MUTUAL://127.0.0.1:{mutual},TOKENS://127.0.0.1:{tokens},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},LOGIN://localhost:{login},MUTUAL://localhost:{mutual},TOKENS://localhost:{tokens}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL,TOKENS:SASL_SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
log.dirs=data
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=server.pem
ssl.truststore.type=PEM
ssl.truststore.location=authority.pem
listener.name.mutual.ssl.client.auth=required
listener.name.login.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN
listener.name.login.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {plain_users};
listener.name.tokens.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.tokens.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.tokens.oauthbearer.sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.tokens.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={keys}
listener.name.tokens.oauthbearer.sasl.oauthbearer.expected.audience=kafka
listener.name.tokens.oauthbearer.connections.max.reauth.ms=3600000
"""
TOKEN_SECONDS = 4
"""A token lives so long; after it the broker ends the connection at the next request."""


@dataclass
class SecureKafka:
    """The broker that runs, and what a client needs to be let in."""

    login: str
    mutual: str
    tokens: str
    directory: Path
    """``authority.pem``; ``client.pem`` and ``client.key``, ours; ``stranger.pem``, an authority that signed nothing here."""
    token_url: str
    passwords: Mapping[str, str]
    """Of every user; also the secrets of the token server's clients."""
    node: Node
    admin: AdminClient
    token_server: "TokenServer"

    def grant(self, principal: str, *grants: Grant) -> None:
        """Allow ``principal`` all of these."""
        bindings = [_binding(principal, grant) for grant in grants]
        for future in self.admin.create_acls(bindings).values():
            future.result(10)

    def revoke(self, principal: str, grant: Grant) -> None:
        """Take one right back."""
        binding = _binding(principal, grant)
        match = AclBindingFilter(
            binding.restype,
            binding.name,
            ResourcePatternType.LITERAL,
            principal,
            None,
            binding.operation,
            AclPermissionType.ALLOW,
        )
        for future in self.admin.delete_acls([match]).values():
            assert len(future.result(10)) == 1, grant

    def stop(self) -> None:
        self.token_server.shutdown()
        self.node.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def start(directory: Path, passwords: Mapping[str, str]) -> SecureKafka | None:
    """Return a broker that knows these users; None: there is no Java, no openssl, or no jars."""
    if shutil.which("openssl") is None or not fetch_jars():
        return None
    make_certificates(directory)
    server = TokenServer(directory, passwords)
    names = ("plain", "login", "mutual", "tokens", "controller")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    plain_users = " ".join(f'user_{user}="{password}"' for user, password in passwords.items())
    keys = (directory / "keys.json").as_uri()
    properties = PROPERTIES.format(**ports, plain_users=plain_users, keys=keys)
    scram = []
    for user, password in passwords.items():
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            scram += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
    format_storage(directory, properties, *scram)
    node = Node(1, ports["plain"], directory, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys}")
    node.wait_until_it_answers()
    return SecureKafka(
        login=f"localhost:{ports['login']}",
        mutual=f"localhost:{ports['mutual']}",
        tokens=f"localhost:{ports['tokens']}",
        directory=directory,
        token_url=server.url,
        passwords=passwords,
        node=node,
        admin=AdminClient({"bootstrap.servers": node.address, "log_level": 0}),
        token_server=server,
    )


def make_certificates(directory: Path) -> None:
    """Make an authority, a server's and a client's certificate, and an authority that nobody should trust."""
    for name in ("authority", "stranger"):
        _certificate(directory, name, "-addext", "keyUsage=critical,keyCertSign")
    signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-addext", "basicConstraints=critical,CA:FALSE")
    # the name only, not the address: a client that does not check it would be found out
    _certificate(directory, "server", *signed, "-addext", "subjectAltName=DNS:localhost")
    _certificate(directory, "client", *signed)
    (directory / "server.pem").write_text(
        (directory / "server.key").read_text() + (directory / "server.pem").read_text()
    )


def _certificate(directory: Path, name: str, *options: str) -> None:
    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=rapport-{name}"]
    _openssl(directory, *new, "-keyout", f"{name}.key", "-out", f"{name}.pem", *options)


def _openssl(directory: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], cwd=directory, input=stdin, check=True, capture_output=True).stdout


def _binding(principal: str, grant: Grant) -> AclBinding:
    kinds = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
    operation = "DESCRIBE_CONFIGS" if grant.operation == "DescribeConfigs" else grant.operation.upper()
    return AclBinding(
        kinds[grant.resource],
        grant.name,
        ResourcePatternType.LITERAL,
        principal,
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )


class TokenServer:
    """Gives short-lived tokens for client credentials, over TLS, and writes the key to check them with to ``keys.json``."""

    def __init__(self, directory: Path, passwords: Mapping[str, str]) -> None:
        self._directory, self._passwords = directory, passwords
        self.given = 0
        _openssl(directory, "genrsa", "-out", "token.key", "2048")
        modulus = (
            _openssl(directory, "rsa", "-in", "token.key", "-noout", "-modulus").decode().strip().partition("=")[2]
        )
        key = {
            "kty": "RSA",
            "kid": "1",
            "alg": "RS256",
            "use": "sig",
            "n": _base64(bytes.fromhex(modulus)),
            "e": "AQAB",
        }
        (directory / "keys.json").write_text(json.dumps({"keys": [key]}))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                scheme, _, login = self.headers.get("Authorization", "").partition(" ")
                client, secret = (unquote_plus(part) for part in base64.b64decode(login).decode().split(":"))
                right = scheme == "Basic" and secret and outer._passwords.get(client) == secret
                asked = form == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
                status, answer = (200, outer.answer(client)) if right and asked else (401, {"error": "invalid_client"})
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "server.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}/token"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, client: str) -> dict[str, Any]:
        self.given += 1
        return {"access_token": self.token(client), "token_type": "Bearer", "expires_in": TOKEN_SECONDS}

    def token(self, subject: str) -> str:
        """Return a signed token (JWT) that says who ``subject`` is, to Kafka, for a few seconds."""
        now = time.time()
        claims = {"sub": subject, "aud": "kafka", "scope": "kafka", "iat": int(now), "exp": int(now + TOKEN_SECONDS)}
        parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1", "typ": "JWT"}, claims)]
        signature = _openssl(self._directory, "dgst", "-sha256", "-sign", "token.key", stdin=".".join(parts).encode())
        return ".".join((*parts, _base64(signature)))

    def shutdown(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
