"""Who is told of alerts, as ``rapport.toml`` has it: ``[[routes]]``, ``[receivers.NAME]``, ``[[silences]]`` and ``[plant]``.

A secret never stands in the file: a key that ends in ``_file`` names a file that has it, and is read again for each
notification; one that ends in ``_env`` names a variable of the environment.
"""

from collections.abc import Mapping, Sequence
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from streams.metrics.calendars import Calendar
from streams.notifications.holding import ACKNOWLEDGE_TIMEOUT, LONGEST_ACKNOWLEDGEMENT, Watched
from streams.notifications.model import Alert, Command, Policy
from streams.notifications.plant import Limits
from streams.tables import Account, Name, NamedApart, SecretTable, Table, Text, Texts, Time, Until, all_there, is_among

Severity = Literal["info", "warning", "critical"]
Kind = Literal["unanswered", "slow", "spike", "follow_up", "plant"]
Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE


def _time_of_day(value: Any) -> int:  # noqa: ANN401 - a table may hold anything
    """Return a time of TOML as ms since midnight."""
    if isinstance(value, time):
        return value.hour * _HOUR + value.minute * _MINUTE + value.second * _SECOND
    raise PydanticCustomError("time_of_day", "write a time without quotes, as 09:00:00")


# -- which alerts ---------------------------------------------------------------------------------------------------------


class _Conditions(Table):
    """Every condition that is named has to hold, each for one of its values."""

    accounts: tuple[Account, ...] = Field((), description="brand accounts, network:account_id")
    networks: Texts = Field((), description="networks")
    severities: tuple[Severity, ...] = Field((), description="info, warning, critical")
    kinds: tuple[Kind, ...] = Field((), description="unanswered, slow, spike, follow_up, plant")
    rules: Texts = Field((), description="names of [[rules]] that were for what somebody waits for")

    @field_validator("rules")
    @classmethod
    def _are_there(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return all_there(names, info, "rules")

    def is_for_account(self, account: str) -> bool:
        """Say whether it may be for alerts of an account."""
        return is_among(account, self.accounts, self.networks)

    def is_for(self, alert: Alert | Watched) -> bool:
        """Say whether it is for an alert, of an account that it may be for."""
        return (
            (not self.severities or alert.severity in self.severities)
            and (not self.kinds or alert.kind in self.kinds)
            and (not self.rules or alert.rule in self.rules)
        )


class SilenceSettings(_Conditions):
    """One ``[[silences]]``: maintenance, in which nobody is told of these alerts."""

    since: Time = Field(alias="from", description="when it begins")
    until: Until = Field(alias="to", description="when it is over; that moment is no part of it")
    by: Text = Field(description="who answers for it; the page says so")

    def holds(self, alert: Alert | Watched, now: int) -> bool:
        """Say whether nobody is to be told of the alert at an instant, ms."""
        return self.since.timestamp() * _SECOND <= now < self.until.timestamp() * _SECOND and self.is_for(alert)


class RouteSettings(_Conditions):
    """One ``[[routes]]``: who is told of these alerts, and when."""

    name: Name = Field(description="its own name; the state of its groups goes by it")
    receiver: str = Field(description="one of [receivers.NAME]")
    fallback: str | None = Field(None, description="another, told what the first does not take")
    group_wait_seconds: float = Field(30, ge=0, le=3600, description="a new group waits so long for more")
    group_interval_seconds: float = Field(300, ge=1, le=86_400, description="what changes is told so long after a look")
    repeat_interval_hours: float = Field(4, gt=0, le=720, description="what does not is told again after this")
    acknowledge_hours: float = Field(
        ACKNOWLEDGE_TIMEOUT / _HOUR,
        gt=0,
        le=LONGEST_ACKNOWLEDGEMENT // _HOUR,
        description="an acknowledgement is forgotten after this",
    )
    flap_count: int = Field(3, ge=0, le=20, description="an alert that began to fire so often flaps; 0: none does")
    flap_minutes: float = Field(
        30, gt=0, le=1440, description="within this, and stays open until it has rested so long"
    )
    send_resolved: bool = Field(default=True, description="tell that what was told is over")
    active_hours: str | None = Field(None, description="one of [[calendars.NAME]]; outside its hours nobody is told")

    @field_validator("receiver", "fallback")
    @classmethod
    def _receiver_is_there(cls, name: str | None, info: ValidationInfo) -> str | None:
        return _there(name, info, "receivers")

    @field_validator("active_hours")
    @classmethod
    def _calendar_is_there(cls, name: str | None, info: ValidationInfo) -> str | None:
        return _there(name, info, "calendars")

    def longest_pause(self) -> int:
        """Return how long it may tell nothing of what goes on, or is acknowledged, in ms; quiet hours are not in it."""
        hours = max(self.repeat_interval_hours, self.acknowledge_hours)
        return round(hours * _HOUR + self.group_interval_seconds * _SECOND)

    def policy(self, account: str, silences: Sequence[SilenceSettings], calendar: Calendar | None) -> Policy:
        """Return what the groups of an account know of it; ``calendar`` is that of ``active_hours``."""
        own = [silence for silence in silences if silence.is_for_account(account)]

        def is_quiet(now: int) -> bool:
            hours = None if calendar is None else calendar.at(now)
            return hours is not None and not hours.between(now, now + 1)

        return Policy(
            round(self.group_wait_seconds * _SECOND),
            round(self.group_interval_seconds * _SECOND),
            round(self.repeat_interval_hours * _HOUR),
            round(self.acknowledge_hours * _HOUR),
            self.flap_count,
            round(self.flap_minutes * _MINUTE),
            self.send_resolved,
            wants=self.is_for,
            is_quiet=is_quiet,
            is_silenced=lambda alert, now: any(silence.holds(alert, now) for silence in own),
        )


def _there(name: str | None, info: ValidationInfo, tables: str) -> str | None:
    if name is not None and name not in (info.context or {}).get(tables, ()):
        wrong = "there is no {tables}.{name} in the file: add one, or name one that is there"
        raise PydanticCustomError("there", wrong, {"tables": tables, "name": name})
    return name


class PlantSettings(Table):
    """``[plant]``: what of the plant itself is told, as alerts of the account ``rapport:plant``; without the table, nothing."""

    behind_seconds: float = Field(
        60, ge=0, le=3_000, description="worker or sink have not taken in something so old; 0: off"
    )
    silent_seconds: float = Field(
        60, ge=0, le=3_000, description="nothing has come in for so long, ticks neither; 0: off"
    )
    dead_letters: int = Field(1, ge=0, description="so many dead letters within 5 minutes; 0: off")

    def limits(self) -> Limits:
        """Return what the watch knows of it."""
        return Limits(round(self.behind_seconds * _SECOND), round(self.silent_seconds * _SECOND), self.dead_letters)


class DigestSettings(Table):
    """``[digest]``: when ``rapport notify digest`` says whom to write to."""

    at: Annotated[int, BeforeValidator(_time_of_day)] = Field(
        9 * _HOUR, description="from this time of the day on, by the clock of the account's calendar; UTC without one"
    )


Routes = Annotated[tuple[RouteSettings, ...], NamedApart]


# -- who is told ----------------------------------------------------------------------------------------------------------


class _Receiver(SecretTable):
    give_up_minutes: float = Field(60, gt=0, le=1440, description="what is not taken after this is a dead letter")
    timeout_seconds: float = Field(10, gt=0, le=120, description="a try takes no longer")


class WebhookSettings(_Receiver):
    """``type = "webhook"``: Standard Webhooks."""

    type: Literal["webhook"]
    url: Url = Field(description="where to post")
    secret_file: Path | None = Field(None, description="a file with the secrets, whsec_…; one a line while they rotate")
    secret_env: str | None = Field(None, description="the same in a variable, separated by spaces")
    needs = ("secret",)


class SlackSettings(_Receiver):
    """``type = "slack"``: an incoming webhook, whose address is the secret."""

    type: Literal["slack"]
    url_file: Path | None = Field(None, description="a file with the address of the incoming webhook")
    url_env: str | None = Field(None, description="the same in a variable")
    signing_secret_file: Path | None = Field(
        None, description="a file with the app's signing secret: messages have buttons"
    )
    signing_secret_env: str | None = Field(None, description="the same in a variable")
    needs = ("url",)
    may_have = ("signing_secret",)


class TeamsSettings(_Receiver):
    """``type = "teams"``: Microsoft Teams, a webhook of its Workflows, whose address is the secret."""

    type: Literal["teams"]
    url_file: Path | None = Field(None, description="a file with the address of the workflow")
    url_env: str | None = Field(None, description="the same in a variable")
    needs = ("url",)


class PagerDutySettings(_Receiver):
    """``type = "pagerduty"``: Events API v2."""

    type: Literal["pagerduty"]
    url: Url = Field("https://events.pagerduty.com/v2/enqueue", description="where to post")
    routing_key_file: Path | None = Field(None, description="a file with the integration's key")
    routing_key_env: str | None = Field(None, description="the same in a variable")
    needs = ("routing_key",)


class OpsgenieSettings(_Receiver):
    """``type = "opsgenie"``: Alert API v2."""

    type: Literal["opsgenie"]
    url: Url = Field("https://api.opsgenie.com/v2/alerts", description="where to post")
    api_key_file: Path | None = Field(None, description="a file with the key of the API integration")
    api_key_env: str | None = Field(None, description="the same in a variable")
    needs = ("api_key",)


class AlertmanagerSettings(_Receiver):
    """``type = "alertmanager"``: its API v2."""

    type: Literal["alertmanager"]
    urls: tuple[Url, ...] = Field(min_length=1, description="where it is, each member of its cluster")
    authorization_file: Path | None = Field(None, description="a file with what Authorization says, as Bearer …")
    authorization_env: str | None = Field(None, description="the same in a variable")
    may_have = ("authorization",)


class AppriseSettings(_Receiver):
    """``type = "apprise"``: whoever the library of this name can tell."""

    type: Literal["apprise"]
    url_file: Path | None = Field(None, description="a file with one of Apprise's addresses")
    url_env: str | None = Field(None, description="the same in a variable")
    needs = ("url",)


class EmailSettings(_Receiver):
    """``type = "email"``: by SMTP."""

    type: Literal["email"]
    host: Text = Field(description="the mail server")
    port: int = Field(587, ge=1, le=65_535, description="its port")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="how to speak to it")
    sender: Address = Field(alias="from", description="from whom")
    to: tuple[Address, ...] = Field(min_length=1, description="to whom")
    username: str | None = Field(None, description="who logs in")
    password_file: Path | None = Field(None, description="a file with the password")
    password_env: str | None = Field(None, description="the same in a variable")
    page: Url | None = Field(None, description="the public address of the page, where the mail's links lead")
    link_secret_file: Path | None = Field(
        None, description="a file with what signs these; one a line while they rotate"
    )
    link_secret_env: str | None = Field(None, description="the same in a variable, separated by spaces")
    may_have = ("password", "link_secret")

    @model_validator(mode="after")
    def _signs_its_links(self) -> Self:
        if (self.page is not None) != self.has("link_secret"):
            raise PydanticCustomError("links", "links take both: page, and link_secret_file or link_secret_env")
        return self


ReceiverSettings = Annotated[
    WebhookSettings
    | SlackSettings
    | TeamsSettings
    | PagerDutySettings
    | OpsgenieSettings
    | AlertmanagerSettings
    | EmailSettings
    | AppriseSettings,
    Field(discriminator="type"),
]


class Notifications(Table):
    """All that the notifier knows of ``rapport.toml``."""

    routes: Routes = ()
    receivers: Mapping[Name, ReceiverSettings] = {}
    silences: tuple[SilenceSettings, ...] = ()
    calendars: Mapping[str, Any] = {}
    plant: PlantSettings | None = None

    def policies(self, account: str) -> dict[str, Policy]:
        """Return, for each route that may be for alerts of an account, what its group knows."""
        mine = [route for route in self.routes if route.is_for_account(account)]
        return {
            route.name: route.policy(account, self.silences, self.calendars.get(route.active_hours or ""))
            for route in mine
        }

    def forgets(self, alert: Watched) -> int:
        """Return how long people are left alone who have acknowledged an alert, by the first route that tells them again, ms."""
        mine = [route for route in self.routes if route.is_for_account(alert.account) and route.is_for(alert)]
        return min((round(route.acknowledge_hours * _HOUR) for route in mine), default=ACKNOWLEDGE_TIMEOUT)

    def maintenance(self, alert: Watched, now: int) -> Command | None:
        """Return the silence of the file in which nobody is told of an alert at an instant, ms: the one that ends last."""
        mine = [it for it in self.silences if it.is_for_account(alert.account) and it.holds(alert, now)]
        last = max(mine, key=lambda it: it.until, default=None)
        if last is None:
            return None
        since, until = (round(it.timestamp() * _SECOND) for it in (last.since, last.until))
        return Command(alert.alert_id, "silence", until, last.by, since)

    def longest_pause(self, name: str) -> int:
        """Return :meth:`RouteSettings.longest_pause` of the route of this name, ms; 0 if there is none."""
        route = self.route(name)
        return 0 if route is None else route.longest_pause()

    def route(self, name: str) -> RouteSettings | None:
        """Return the route of this name; None: it is gone from the file."""
        return next((route for route in self.routes if route.name == name), None)
