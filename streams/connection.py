"""How every client of Kafka connects: where to, under which certificates, and as whom. One place for all of them."""

import asyncio
import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import faust
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError, KafkaError

from streams.config import Settings
from streams.errors import BrokerError, SettingsError, broker_refusal, kafka_reasons

TOKEN_SECONDS: Final = 10.0
"""A token server that has not answered for so long is not there."""
FRESH: Final = 0.8
"""A token is asked for anew when this share of its life is over."""


METADATA_AGE_MS: Final = 5_000
"""How old a client's picture of the cluster may be. A broker that has just started can deny a topic for a moment: whoever leads
a consumer group then gives nobody its partitions, and only a newer picture makes it think again. Clients' own: 5 minutes."""


def kafka_options(settings: Settings) -> dict[str, Any]:
    """Return the arguments that every aiokafka client of this plant is made with. Raises :class:`SettingsError`."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.security_protocol,
        "ssl_context": _ssl_context(settings),
        "metadata_max_age_ms": METADATA_AGE_MS,
    }
    if settings.security_protocol.startswith("SASL"):
        options |= _login(settings)
    return options


def faust_credentials(options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - Faust's
    """Return the same for Faust's consumer and producer, which take it in classes of their own."""
    context, mechanism = options["ssl_context"], options.get("sasl_mechanism")
    if mechanism == "OAUTHBEARER":
        return faust.OAuthCredentials(oauth_cb=options["sasl_oauth_token_provider"], ssl_context=context)
    if mechanism is not None:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def _login(settings: Settings) -> dict[str, Any]:
    if settings.sasl_mechanism == "OAUTHBEARER":
        return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": _token_provider(settings)}
    if not settings.sasl_username:
        raise SettingsError(f"{settings.sasl_mechanism} needs a user", "set RAPPORT_SASL_USERNAME and its password")
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password.get_secret_value(),
    }


def _ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """Return how to check Kafka's certificate and host name and what to show of ours; None: nothing is encrypted."""
    if "SSL" not in settings.security_protocol:
        return None
    ours, key = settings.ssl_certificate_file, settings.ssl_key_file
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise _unusable("RAPPORT_SSL_CA_FILE", settings.ssl_ca_file, error) from None
    if ours is None:
        return context
    try:
        # a function, because OpenSSL would ask the terminal for a password that is missing
        context.load_cert_chain(ours, key, settings.ssl_key_password.get_secret_value)
    except OSError as error:
        raise _unusable("RAPPORT_SSL_CERTIFICATE_FILE and RAPPORT_SSL_KEY_FILE", ours, error) from None
    return context


def _unusable(setting: str, file: Path | None, error: OSError) -> SettingsError:
    return SettingsError(f"{file} cannot be used ({error.strerror or error})", f"set {setting} to a PEM file")


# -- tokens of OAUTHBEARER ------------------------------------------------------------------------------------------------


class _TokenError(BrokerError, KafkaError):  # type: ignore[misc] # aiokafka has no types
    """There is no token. One of Kafka's errors too, so that a client which runs tries again, as with a lost broker."""

    retriable = True


class _Provider(AbstractTokenProvider):  # type: ignore[misc] # aiokafka has no types
    """Gives a token to each new connection, in whichever thread and loop: the worker has two."""

    async def token(self) -> str:
        return await asyncio.to_thread(self.read)

    def read(self) -> str:
        """Return a token that holds now. Blocks."""
        raise NotImplementedError


class _TokenFile(_Provider):
    """Tokens that somebody else keeps fresh, such as Kubernetes those of a service account."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> str:
        try:
            return self._file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a token"
            raise _TokenError(f"{self._file} cannot be read ({why})", "set RAPPORT_OAUTH_TOKEN_FILE") from None


class _TokenServer(_Provider):
    """Tokens for client credentials (RFC 6749, section 4.4)."""

    def __init__(self, settings: Settings) -> None:
        context = ssl.create_default_context()
        if settings.ssl_ca_file is not None:
            context.load_verify_locations(settings.ssl_ca_file)
        self._opener = build_opener(HTTPSHandler(context=context), _NoRedirect)
        self._url = settings.oauth_token_url or ""
        # both are form-encoded before they are put together, says the RFC's section 2.3.1
        login = f"{quote(settings.sasl_username, '')}:{quote(settings.sasl_password.get_secret_value(), '')}"
        self._headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
        form = {"grant_type": "client_credentials"} | ({"scope": settings.oauth_scope} if settings.oauth_scope else {})
        self._form = urlencode(form).encode()
        self._lock = threading.Lock()
        self._token, self._stale_at = "", 0.0

    def read(self) -> str:
        with self._lock:
            if time.monotonic() >= self._stale_at:
                began, answer = time.monotonic(), self._ask()
                self._token = str(answer["access_token"])
                self._stale_at = began + FRESH * float(answer.get("expires_in", 0))
            return self._token

    def _ask(self) -> dict[str, Any]:
        """Return what the server answers. Nothing of it but its status is told: it may repeat what it was sent."""
        try:
            with self._opener.open(Request(self._url, self._form, self._headers), timeout=TOKEN_SECONDS) as answer:  # noqa: S310
                found = json.load(answer)
            found["access_token"]
        except HTTPError as error:
            why = f"HTTP {error.code}"
        except OSError as error:  # URLError is one
            why = str(getattr(error, "reason", None) or error)
        except (ValueError, LookupError, TypeError):
            why = "its answer has no token"
        else:
            return dict(found)
        remedy = "check RAPPORT_OAUTH_TOKEN_URL, RAPPORT_SASL_USERNAME and RAPPORT_SASL_PASSWORD"
        raise _TokenError(f"{self._url} gives no token ({why})", remedy)


class _NoRedirect(HTTPRedirectHandler):
    """Follows nobody: the client secret would go along."""

    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        return None


def _token_provider(settings: Settings) -> _Provider:
    if settings.oauth_token_file is not None:
        return _TokenFile(settings.oauth_token_file)
    if settings.oauth_token_url is None or not settings.sasl_username:
        raise SettingsError(
            "OAUTHBEARER needs tokens",
            "set RAPPORT_OAUTH_TOKEN_URL with RAPPORT_SASL_USERNAME and its password, or RAPPORT_OAUTH_TOKEN_FILE",
        )
    return _TokenServer(settings)


# -- what goes wrong ------------------------------------------------------------------------------------------------------


@contextmanager
def explained(settings: Settings) -> Iterator[None]:
    """Raise :class:`BrokerError` for what aiokafka raises within, with the reason if there is one.

    See :func:`streams.errors.kafka_reasons`.
    """
    with kafka_reasons() as reasons:
        try:
            yield
        except (KafkaError, OSError, TimeoutError) as error:
            raise _explanation(settings, error, reasons.last) from None


def _explanation(settings: Settings, error: Exception, logged: BaseException | None) -> BrokerError:
    for one in (error, logged):
        if isinstance(one, BrokerError):
            return BrokerError(one.wrong, one.remedy)
        if one is not None and (refusal := broker_refusal(one)):
            return refusal
        if isinstance(one, ssl.SSLError):
            why = getattr(one, "verify_message", None) or one.reason or str(one)
            remedy = "check RAPPORT_SECURITY_PROTOCOL, RAPPORT_SSL_CA_FILE, and the host names in RAPPORT_BROKERS"
            return BrokerError(f"no TLS with Kafka at {settings.brokers} ({why})", remedy)
    silent = isinstance(error, (KafkaConnectionError, TimeoutError))  # which have nothing to add
    what = "" if silent else f" ({error or type(error).__name__})"
    remedy = "start it, or set RAPPORT_BROKERS and its security settings"
    if settings.sasl_mechanism == "OAUTHBEARER":
        remedy += "; it closes the connection without a word if it refuses the token"
    return BrokerError(f"Kafka does not answer at {settings.brokers}{what}", remedy)
