"""All settings, read in one place: ``RAPPORT_*`` from the environment for the plant, ``rapport.toml`` for the brands.

Nothing else in Rapport reads the environment. README.md has the table of settings; a test keeps it true. A secret may stand in
a file instead, as Docker and Kubernetes hand them over: ``RAPPORT_<NAME>_FILE`` names it.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.topics import Catalogue
from streams.business_hours import Versions
from streams.campaigns import CampaignSettings
from streams.errors import SettingsError
from streams.metrics.calendars import Calendar, Hours
from streams.metrics.targets import DEFAULT_TARGETS, Rule, Targets
from streams.notification_settings import (
    DigestSettings,
    Notifications,
    PlantSettings,
    ReceiverSettings,
    Routes,
    SilenceSettings,
)
from streams.page_settings import PageProxy, PageToken
from streams.tables import Name, SecretTable, Table, unreadable
from streams.target_rules import Rules

Port = Annotated[int, Field(ge=0, le=65_535)]


class Settings(BaseSettings):
    """The plant: where things are and how they run. Every field is the environment variable ``RAPPORT_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", frozen=True, extra="ignore")

    brokers: str = Field("localhost:9092", description="Kafka's bootstrap servers, host:port, separated by commas")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to speak to Kafka"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "PLAIN", description="how to log in to Kafka"
    )
    sasl_username: str = Field("", description="Kafka user; of OAUTHBEARER the client id")
    sasl_password: SecretStr = Field(SecretStr(""), description="Kafka password; of OAUTHBEARER the client secret")
    oauth_token_url: str | None = Field(
        None,
        pattern=r"^(https://|http://(localhost|127\.0\.0\.1)[:/])",
        description="https address of the token server, which OAUTHBEARER asks with its client credentials",
    )
    oauth_scope: str = Field("", description="scope to ask for there")
    oauth_token_file: Path | None = Field(
        None, description="a file with the token instead of a token server; read again for each connection"
    )
    ssl_ca_file: Path | None = Field(
        None, description="PEM file with the authorities that sign Kafka's certificate; without it, the system's"
    )
    ssl_certificate_file: Path | None = Field(None, description="PEM file with our certificate, for mutual TLS")
    ssl_key_file: Path | None = Field(None, description="PEM file with its key, unless that is in the same file")
    ssl_key_password: SecretStr = Field(SecretStr(""), description="password of an encrypted key")
    topic_prefix: str = Field(
        "rapport", pattern=r"^[A-Za-z0-9._-]{1,60}$", description="prefix of every topic and group"
    )
    partitions: int = Field(12, ge=1, le=4096, description="partitions of the topics; fixed once they are made")
    replication_factor: int = Field(1, ge=1, le=10, description="copies of every partition; 3 in production")
    clickhouse: SecretStr = Field(
        SecretStr("http://localhost:8123/default"),
        description="ClickHouse, http(s)://user:password@host:port/database",
    )
    clickhouse_password: SecretStr = Field(SecretStr(""), description="ClickHouse password, rather than in the address")
    clickhouse_ca_file: Path | None = Field(
        None, description="PEM file with the authorities that sign ClickHouse's certificate; without it, the usual ones"
    )
    language: str = Field(
        "py3langid",
        description="what tells the language of posts: py3langid, off, or a function of yours, module:function",
    )
    sentiment: str = Field(
        "vader", description="what tells how posts are meant: vader (English only), off, or a function of yours"
    )
    accounts_file: Path | None = Field(
        None, description="rapport.toml: targets per account, campaigns, and who is told of alerts"
    )
    generation: int = Field(
        0,
        ge=-(1 << 15),
        lt=1 << 15,
        description="raise by one when the interactions topic was made anew: its offsets start again; below 0, a backfill's",
    )
    checkpoint_seconds: float = Field(
        5.0, gt=0, description="an account's state is checkpointed this long after a change"
    )
    cycle_seconds: float = Field(0.1, gt=0, le=10, description="how often outputs are sent and checkpoints written")
    ticks: bool = Field(
        default=True,
        description="the worker tells its partitions the time twice a second; off where a replay drives the clock",
    )
    sink_seconds: float = Field(0.2, gt=0, le=60, description="the sink inserts at the latest after this long")
    sink_rows: int = Field(100_000, ge=1, le=500_000, description="the sink inserts at the latest after this many rows")
    dead_letters_per_minute: int = Field(
        10_000, ge=1, description="above this the worker stops and says so, rather than set everything aside"
    )
    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /healthz and /readyz")
    metrics_port: Port = Field(0, description="port of /metrics, /healthz and /readyz; 0: off")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe line in the log")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is none
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours name each file
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given in code, then the environment, then the files that the environment names."""
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @property
    def topics(self) -> Catalogue:
        """The catalogue of topics under this plant's prefix."""
        return Catalogue(self.topic_prefix)

    @property
    def bootstrap_servers(self) -> list[str]:
        """The brokers, one by one."""
        return [server.strip() for server in self.brokers.split(",") if server.strip()]

    @property
    def clickhouse_server(self) -> tuple[str, str, Path | None]:
        """What ``sinks.clickhouse.connection.connect`` takes: ClickHouse's address, password and authorities."""
        return self.clickhouse.get_secret_value(), self.clickhouse_password.get_secret_value(), self.clickhouse_ca_file


SECRETS: Final = {
    f"RAPPORT_{name.upper()}_FILE": name
    for name, field in Settings.model_fields.items()
    if field.annotation is SecretStr
}
"""The variables that name a file with a secret, and the setting that each stands for."""


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads the secrets that the environment gives as files."""

    def __call__(self) -> dict[str, Any]:
        return {name: _secret(variable, name) for variable, name in SECRETS.items() if os.environ.get(variable)}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - not asked
        return None, field_name, False


def _secret(variable: str, name: str) -> str:
    """Return what is in the file that ``variable`` names, without the line's end that editors put there."""
    if os.environ.get(f"RAPPORT_{name.upper()}"):
        raise SettingsError(f"{variable} and RAPPORT_{name.upper()} are both set", "leave one out")
    try:
        return Path(os.environ[variable]).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{variable} cannot be read ({unreadable(error)})", "name a file that has the secret"
        ) from None


def environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with ``settings`` in it, for a process that is to run with them."""
    own: dict[str, str] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is not None:
            own[f"RAPPORT_{name.upper()}"] = str(value.get_secret_value() if isinstance(value, SecretStr) else value)
    return {**{name: value for name, value in os.environ.items() if name not in SECRETS}, **own}


class AccountTargets(Table):
    """One table of ``rapport.toml``: ``[defaults]``, ``[networks.NAME]`` or ``[accounts."network:account_id"]``."""

    target_minutes: float | None = Field(None, gt=0, le=7 * 1440, description="a turn is to be answered within this")
    lateness_hours: float | None = Field(None, gt=0, le=168, description="events this late still correct the metrics")
    expiry_days: float | None = Field(None, ge=0.5, le=90, description="an unanswered turn expires after this")
    calendar: str | None = Field(None, description="one of [[calendars.NAME]]; empty: at work around the clock")
    spike_sensitivity: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="so many spreads above the usual is a spike; 0: off"
    )
    slow_p90_minutes: float | None = Field(
        None, ge=0, le=7 * 1440, description="an hour whose response_p90 is above this is slow; 0: off"
    )
    slow_sla: float | None = Field(
        None, ge=0, le=1, description="an hour of whose turns a smaller share met the SLA is slow; 0: off"
    )
    domains: tuple[str, ...] | None = Field(
        None, description="the brand's own: broadcasts with a link to one of these, or below it, speak of itself"
    )

    @field_validator("calendar")
    @classmethod
    def _is_there(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name and name not in (info.context or {}).get("calendars", ()):
            wrong = "there is no [[calendars.{name}]] in the file: add one, or name one that is there"
            raise PydanticCustomError("calendar", wrong, {"name": name})
        return name

    @field_validator("domains")
    @classmethod
    def _are_domains(cls, domains: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for domain in domains or ():
            if re.fullmatch(r"[^\s/:@.]+(\.[^\s/:@.]+)+", domain) is None:
                raise PydanticCustomError(
                    "domain", 'write {domain} as a link has it after //, as "acme.com"', {"domain": domain}
                )
        return domains

    def over(self, base: Targets) -> Targets:
        """Return ``base`` with the times that this table sets."""

        def milliseconds(value: float | None, unit: int, otherwise: int) -> int:
            return otherwise if value is None else round(value * unit)

        return Targets(
            target=milliseconds(self.target_minutes, 60_000, base.target),
            lateness=milliseconds(self.lateness_hours, 3_600_000, base.lateness),
            expiry=milliseconds(self.expiry_days, 86_400_000, base.expiry),
            calendar=base.calendar,
            sensitivity=base.sensitivity if self.spike_sensitivity is None else self.spike_sensitivity,
            slow_p90=milliseconds(self.slow_p90_minutes, 60_000, base.slow_p90),
            slow_sla=base.slow_sla if self.slow_sla is None else self.slow_sla,
            domains=base.domains if self.domains is None else tuple(domain.lower() for domain in self.domains),
        )


class Brands(Table):
    """``rapport.toml``: what is agreed with each brand, and who is told of alerts."""

    defaults: AccountTargets = AccountTargets()
    networks: Mapping[str, AccountTargets] = {}
    accounts: Mapping[str, AccountTargets] = {}
    calendars: Mapping[Name, Versions] = {}
    rules: Rules = ()
    campaigns: Mapping[Name, CampaignSettings] = {}
    tokens: tuple[PageToken, ...] = ()
    proxy: PageProxy | None = None
    routes: Routes = ()
    receivers: Mapping[Name, ReceiverSettings] = {}
    silences: tuple[SilenceSettings, ...] = ()
    plant: PlantSettings | None = None
    digest: DigestSettings = DigestSettings()
    connectors: Mapping[Name, Mapping[str, Any]] = {}
    """As they stand there: each connector knows its own settings (``streams.connecting.tables``)."""

    @property
    def notifications(self) -> Notifications:
        """What of it says who is told of alerts."""
        return Notifications.model_construct(
            routes=self.routes,
            receivers=self.receivers,
            silences=self.silences,
            calendars=self._calendars,
            plant=self.plant,
        )

    def targets(self, account: str) -> Targets:
        """Return the targets of ``account``; a shard ``account#k`` of a hot account has those of the account."""
        whole, none = account.partition("#")[0], AccountTargets()
        network, own = self.networks.get(whole.partition(":")[0], none), self.accounts.get(whole, none)
        found, calendar = DEFAULT_TARGETS, ""
        for table in (self.defaults, network, own):
            found = table.over(found)
            calendar = calendar if table.calendar is None else table.calendar
        rules = [
            rule if rule.target else rule._replace(target=found.target)
            for own, rule in zip(self.rules, self._rules, strict=True)
            if own.is_for(whole)
        ]
        return found._replace(calendar=self._calendars.get(calendar), rules=rules)

    @cached_property
    def _rules(self) -> Sequence[Rule]:
        """The rules, in order; made once for all accounts."""
        return [rule.rule(self.campaigns) for rule in self.rules]

    @cached_property
    def business_hours(self) -> Mapping[str, Hours]:
        """Every version of every calendar, by the name that turns have it by."""
        return {hours.name: hours for versions in self._versions.values() for hours in versions}

    @cached_property
    def _versions(self) -> Mapping[str, Sequence[Hours]]:
        return {
            name: [version.business_hours(name) for version in versions] for name, versions in self.calendars.items()
        }

    @cached_property
    def _calendars(self) -> Mapping[str, Calendar]:
        """The calendars by name; "" is that of an account that has none, while others have. Each remembers for all its accounts."""
        versions = {"": [], **self._versions} if self._versions else {}
        return {name: Calendar(own, self.business_hours) for name, own in versions.items()}


def secrets_of(table: SecretTable) -> dict[str, Callable[[], str]]:
    """Return what reads each secret of a table, each time anew. It raises :class:`SettingsError`."""
    return {secret: partial(table.reveal, secret, os.environ) for secret in (*table.needs, *table.may_have)}


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - as the fields are
    """Return the settings of the environment with ``overrides`` on top. Raises :class:`SettingsError`."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = "RAPPORT_" + ".".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name} is wrong", f"{first['msg']} (README.md lists what is allowed)") from None


def load_brands(path: Path | None) -> Brands:
    """Return what ``rapport.toml`` says, or the defaults without one. Raises :class:`SettingsError`."""
    if path is None:
        return Brands()
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read ({error.strerror})", "name a file that exists in RAPPORT_ACCOUNTS_FILE"
        ) from None
    try:
        table = tomllib.loads(text)
        tables = {name: table.get(name) for name in ("calendars", "receivers", "campaigns")}
        known: dict[str, Any] = {name: it if isinstance(it, dict) else {} for name, it in tables.items()}
        rules = table.get("rules")
        known["rules"] = [it.get("name") for it in rules if isinstance(it, dict)] if isinstance(rules, list) else []
        known["folder"] = path.parent
        return Brands.model_validate(table, context=known)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML", str(error)) from None
    except ValidationError as error:
        raise invalid(path, [], error) from None


REMEDIES: Final = {
    "extra_forbidden": "there is no such key here: is it written right?",
    "missing": "it is missing, and needed",
    "tuple_type": 'write a list, as ["…"]; of tables, as [[…]]',
    "union_tag_not_found": "it does not say of which type it is",
}
"""What to say of mistakes of which pydantic speaks as of Python."""


def invalid(path: Path | None, table: list[str], error: ValidationError) -> SettingsError:
    """Return what to say of the first thing that is wrong in a table of ``rapport.toml``."""
    first = error.errors()[0]
    return mistake(path, [*table, *map(str, first["loc"])], REMEDIES.get(first["type"], first["msg"]))


def mistake(path: Path | None, where: list[str], remedy: str) -> SettingsError:
    """Return what to say of a wrong key of ``rapport.toml``, with its line if it is in a file."""
    if path is None:
        return SettingsError(".".join(where), remedy)
    line = _line(path.read_text("utf-8"), where)
    return SettingsError(f"{path}, line {line}: {'.'.join(where)}", remedy)


def _line(text: str, where: list[str]) -> int:
    """Return the number of the line where the key ``where`` stands, as near as a search finds it.

    A number counts the tables of the same name, or what stands within a line.
    """
    number, lines = 0, text.splitlines()
    for part in where:
        if not part.isdecimal():
            key = re.compile(rf"(?<!\w){re.escape(part)}(?!\w)")
            number = next((n for n, line in enumerate(lines[number:], number) if key.search(line)), number)
        elif lines[number].startswith("[["):
            again = [n for n, line in enumerate(lines[number:], number) if line == lines[number]]
            number = again[min(int(part), len(again) - 1)]
            following = (n for n, line in enumerate(lines[number + 1 :], number + 1) if line.startswith("[["))
            lines = lines[: next(following, len(lines))]
    return number + 1
