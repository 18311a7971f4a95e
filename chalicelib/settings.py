"""The stage's settings: environment variables, read once and checked together."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from chalicelib import return_urls, templates
from chalicelib.templates import Templates

if TYPE_CHECKING:
    from chalicelib.own_fields import OwnFields

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_NAME = 64
MIN_SECRET = 32
"""The fewest characters of SECRET_KEY."""

_COLOUR = re.compile("#([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)
_WHOLE = re.compile("[0-9]{1,12}")
_DURATION = re.compile("([1-9][0-9]{0,3})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LONGEST_TO_REMIND = timedelta(days=6)
"""A sign-up is deleted after seven days, and the reminder's link needs one of them."""
_HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:]+", re.IGNORECASE)
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}")
_EVENT_BUS = re.compile(
    r"(arn:[\w+=,.@-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[\w./-]{1,256}", re.ASCII
)
_NO_NAME = frozenset(("Cc", "Cs", "Zl", "Zp"))


class SettingsError(Exception):
    """The stage cannot start; the message names each setting that is missing or wrong."""


class Brand(NamedTuple):
    """The product that pages and mails name. Pages and mails do not show empty values.

    ``accent`` is a colour such as ``#0a5f4d``; empty, it is Bienvenue's own.
    """

    product: str = "Bienvenue"
    accent: str = ""
    logo_url: str = ""
    support_address: str = ""
    privacy_url: str = ""
    terms_url: str = ""
    continue_url: str = ""

    @property
    def support_url(self) -> str:
        """The link of the support address (RFC 6068)."""
        return f"mailto:{quote(self.support_address, safe='@+')}"


UNBRANDED = Brand()


@dataclass(frozen=True)
class Settings:
    """The settings of a stage. docs/settings.md explains each one.

    ``mails_per_day`` and ``mails_per_hour`` are None if there is no limit.
    """

    users_table: str
    users_stream_arn: str
    mail_from: str
    base_url: str
    mail_feedback_topic_arn: str
    limits_table: str
    secret_key: str = field(repr=False)
    mails_per_day: int | None = None
    mails_per_hour: int | None = None
    code: bool = True
    remind_after: timedelta | None = None
    """The time from the mail to the reminder of a user who has not validated. None: never."""
    welcome_mail: bool = False
    has_one_click: bool = False
    """Mails have a header that lets the mailbox's own unsubscribe button refuse."""
    default_lang: str = "fr"
    validate_on_get: str = "same-browser"
    mail_configuration_set: str = ""
    mail_from_name: str = ""
    mail_reply_to: str = ""
    after_validation_url: str = ""
    templates_folder: str = ""
    names: str = "optional"
    return_urls: tuple[str, ...] = ()
    """The addresses, or starts of addresses, to which a form may send its browser back."""
    allowed_origins: tuple[str, ...] = ()
    """Other origins whose pages may use the API; ``*`` means any."""
    allowed_domains: frozenset[str] = frozenset()
    """The only domains whose addresses may sign up; if empty, all may."""
    refused_domains: frozenset[str] = frozenset()
    refuses_disposable: bool = False
    challenge: str = "off"
    """If sign-ups must bring a proof of work: ``off``, ``altcha``, or ``auto`` while many come."""
    challenge_above: int = 30
    """The sign-ups a minute above which ``auto`` asks."""
    checks_domain: bool = False
    """The mailer asks DNS about a domain before it asks SES to send."""
    consent_address: str = "none"
    """The part of a visitor's IP address kept beside a consent: none, truncated or full."""
    keeps_user_agent: bool = False
    """A visitor's User-Agent is kept beside a consent."""
    own_fields: "OwnFields | None" = None
    """The stage's own fields; None if it has none."""
    event_bus: str = ""
    """The name or ARN of the EventBridge bus for events; empty for none."""
    brand: Brand = UNBRANDED

    @cached_property
    def origins(self) -> frozenset[str]:
        """The origins whose pages may send requests: the stage's own and the operator's.

        A page to which browsers return has the form that they came from.
        """
        returns = (return_urls.origin(url) for url in self.return_urls if url.startswith("http"))
        return frozenset((return_urls.origin(self.base_url), *self.allowed_origins, *returns))

    @property
    def users_table_arn(self) -> str:
        """The ARN of the table of users."""
        return self.users_stream_arn.partition("/stream/")[0]

    @property
    def is_secure(self) -> bool:
        """Return True unless the stage runs on this machine, over plain http."""
        return self.base_url.startswith("https:")


def read(env: Mapping[str, str]) -> Settings:
    """Return the settings in ``env``.

    Raise SettingsError with all mistakes, not only the first.
    """
    problems: list[str] = []

    def required(name: str) -> str:
        value = env.get(name, "").strip()
        if not value:
            problems.append(f"{name} is missing")
        return value

    def optional(name: str) -> str:
        return env.get(name, "").strip()

    settings = Settings(
        users_table=required("USERS_TABLE"),
        users_stream_arn=required("USERS_STREAM_ARN"),
        mail_from=required("MAIL_FROM"),
        base_url=required("BASE_URL").rstrip("/"),
        mail_feedback_topic_arn=required("MAIL_FEEDBACK_TOPIC_ARN"),
        limits_table=required("LIMITS_TABLE"),
        secret_key=required("SECRET_KEY"),
        mails_per_day=_number(optional("MAILS_PER_DAY")),
        mails_per_hour=_number(optional("MAILS_PER_HOUR")),
        code=optional("CODE") != "off",
        remind_after=_duration(optional("REMIND_AFTER")),
        welcome_mail=optional("WELCOME_MAIL") == "true",
        has_one_click=optional("LIST_UNSUBSCRIBE") == "on",
        default_lang=env.get("DEFAULT_LANG", "fr").strip(),
        validate_on_get=env.get("VALIDATE_ON_GET", "same-browser").strip(),
        mail_configuration_set=optional("MAIL_CONFIGURATION_SET"),
        mail_from_name=optional("MAIL_FROM_NAME") or optional("PRODUCT_NAME") or UNBRANDED.product,
        mail_reply_to=optional("MAIL_REPLY_TO"),
        after_validation_url=optional("AFTER_VALIDATION_URL"),
        templates_folder=optional("TEMPLATES_FOLDER"),
        names=optional("NAMES") or "optional",
        return_urls=tuple(optional("RETURN_URLS").split()),
        allowed_origins=tuple(optional("ALLOWED_ORIGINS").lower().split()),
        allowed_domains=frozenset(optional("ALLOWED_DOMAINS").lower().split()),
        refused_domains=frozenset(optional("REFUSED_DOMAINS").lower().split()),
        refuses_disposable=optional("DISPOSABLE") == "refuse",
        checks_domain=optional("CHECK_DOMAIN") == "true",
        consent_address=optional("CONSENT_ADDRESS") or "none",
        keeps_user_agent=optional("CONSENT_USER_AGENT") == "true",
        event_bus=optional("EVENT_BUS"),
        challenge=optional("CHALLENGE") or "off",
        challenge_above=_number(optional("CHALLENGE_ABOVE") or "30") or 0,
        brand=Brand(
            product=optional("PRODUCT_NAME") or UNBRANDED.product,
            accent=optional("ACCENT_COLOUR").lower(),
            logo_url=optional("LOGO_URL"),
            support_address=optional("SUPPORT_ADDRESS"),
            privacy_url=optional("PRIVACY_URL"),
            terms_url=optional("TERMS_URL"),
            continue_url=optional("CONTINUE_URL"),
        ),
    )
    if settings.users_stream_arn and not _is_stream_arn(settings.users_stream_arn):
        problems.append("USERS_STREAM_ARN must be the ARN of a table's stream")
    if settings.mail_feedback_topic_arn and not _is_topic_arn(settings.mail_feedback_topic_arn):
        problems.append("MAIL_FEEDBACK_TOPIC_ARN must be the ARN of an SNS topic")
    if settings.secret_key and len(settings.secret_key) < MIN_SECRET:
        problems.append(f"SECRET_KEY must be at least {MIN_SECRET} characters")
    problems += [
        f"{name} must be a whole number"
        for name in ("MAILS_PER_DAY", "MAILS_PER_HOUR", "CHALLENGE_ABOVE")
        if (value := optional(name)) and _number(value) is None
    ]
    if optional("CODE") not in ("", "on", "off"):
        problems.append("CODE must be on or off")
    if optional("LIST_UNSUBSCRIBE") not in ("", "on", "off"):
        problems.append("LIST_UNSUBSCRIBE must be on or off")
    if settings.mail_from and not _is_sender(settings.mail_from):
        problems.append("MAIL_FROM must be a bare address, such as hello@example.org")
    if settings.base_url and not _is_base_url(settings.base_url):
        problems.append("BASE_URL must be https://host[/path], with nothing after it")
    if settings.names not in ("optional", "required", "none"):
        problems.append("NAMES must be optional, required or none")
    if problem := templates.find_problem(settings.templates_folder):
        problems.append(f"TEMPLATES_FOLDER {problem}")
    languages = Templates("" if problem else settings.templates_folder).languages
    if settings.default_lang not in languages:
        problems.append(f"DEFAULT_LANG must be one of {', '.join(sorted(languages))}")
    folder = "" if problem else settings.templates_folder
    definition, sources = templates.own_file(folder, templates.FIELDS), optional("SOURCE_FIELDS")
    if definition or sources:
        from chalicelib import own_fields  # only stages that have some load it

        own, mistakes = own_fields.read(definition, sources, languages, settings.default_lang)
        settings = replace(settings, own_fields=own)
        problems += mistakes
        problems += own_fields.page_mistakes(folder) if folder and own.fields else []
    if settings.validate_on_get not in ("same-browser", "true", "false"):
        problems.append("VALIDATE_ON_GET must be same-browser, true or false")
    for name, is_right, kind in (
        ("REMIND_AFTER", _duration, "such as 48h, or 3d; at most 6d"),
        ("WELCOME_MAIL", ("true", "false").__contains__, "true or false"),
        ("PRODUCT_NAME", _is_name, f"one line of {MAX_NAME} characters at the most"),
        ("ACCENT_COLOUR", _COLOUR.fullmatch, "a colour in hexadecimal, such as #0a5f4d"),
        ("LOGO_URL", _is_url, "https://host/path"),
        ("SUPPORT_ADDRESS", _is_sender, "a bare address, such as help@example.org"),
        ("MAIL_FROM_NAME", _is_name, f"one line of {MAX_NAME} characters at the most"),
        ("MAIL_REPLY_TO", _is_sender, "a bare address, such as help@example.org"),
        ("AFTER_VALIDATION_URL", _is_url, "https://host/path"),
        ("RETURN_URLS", _are_return_urls, "addresses such as https://example.org/welcome"),
        ("ALLOWED_ORIGINS", _are_origins, "* or origins such as https://example.org"),
        ("ALLOWED_DOMAINS", _are_domains, "domains such as example.org, in ASCII"),
        ("REFUSED_DOMAINS", _are_domains, "domains such as example.org, in ASCII"),
        ("DISPOSABLE", ("refuse", "allow").__contains__, "refuse or allow"),
        ("CHALLENGE", ("off", "altcha", "auto").__contains__, "off, altcha or auto"),
        ("CHECK_DOMAIN", ("true", "false").__contains__, "true or false"),
        ("CONSENT_ADDRESS", ("none", "truncated", "full").__contains__, "none, truncated or full"),
        ("CONSENT_USER_AGENT", ("true", "false").__contains__, "true or false"),
        ("EVENT_BUS", _EVENT_BUS.fullmatch, "the name or ARN of an EventBridge bus"),
        ("PRIVACY_URL", _is_url, "https://host/path"),
        ("TERMS_URL", _is_url, "https://host/path"),
        ("CONTINUE_URL", _is_url, "https://host/path"),
    ):
        if (value := optional(name)) and not is_right(value):
            problems.append(f"{name} must be {kind}")
    if problems:
        raise SettingsError(
            f"Bienvenue cannot start: {'; '.join(problems)}. Settings are the "
            "environment_variables in stages/<stage>.json, which .venv/bin/chalice reads. A stage "
            "that has no table yet gets it, and them, from: "
            "make deploy STAGE=<stage> MAIL_FROM=<address>"
        )
    return settings


def _number(text: str) -> int | None:
    """Return the whole number in ``text``; None if it has none."""
    return int(text) if _WHOLE.fullmatch(text) else None


def _duration(text: str) -> timedelta | None:
    """Return the time in ``text``, such as ``48h``; None if it is no time for a reminder."""
    if not (parts := _DURATION.fullmatch(text)):
        return None
    duration = timedelta(**{_UNITS[parts[2]]: int(parts[1])})
    return duration if duration <= LONGEST_TO_REMIND else None


def _are_domains(text: str) -> bool:
    return all(map(_DOMAIN.fullmatch, text.lower().split()))


def _is_stream_arn(text: str) -> bool:
    return text.startswith("arn:") and ":dynamodb:" in text and "/stream/" in text


def _is_topic_arn(text: str) -> bool:
    return text.startswith("arn:") and ":sns:" in text


def _is_sender(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    plain = text.isascii() and text.isprintable() and not set(text) & set(' <>",;:')
    return bool(local and domain and plain) and "@" not in local


def _is_name(text: str) -> bool:
    """Return True for one line that fits into a header, a title and a sentence."""
    return len(text) <= MAX_NAME and not any(unicodedata.category(c) in _NO_NAME for c in text)


def _is_base_url(text: str) -> bool:
    """Return True if ``text`` plus a path makes a link."""
    return _is_url(text) and not set(text) & set("?#")


def _are_origins(text: str) -> bool:
    """Return True for a single ``*``, or for origins without paths and default ports."""
    origins = text.lower().split()
    return origins == ["*"] or all(
        _is_url(allowed) and allowed == return_urls.origin(allowed) for allowed in origins
    )


def _are_return_urls(text: str) -> bool:
    return all(return_urls.is_prefix(prefix) for prefix in text.split())


def _is_url(text: str) -> bool:
    """Return True if browsers may be sent there. Plain http is only for this machine."""
    try:
        url = urlsplit(text)
        host = url.hostname or ""
        _ = url.port
    except ValueError:
        return False
    secure = url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK)
    plain = text.isascii() and text.isprintable() and not set(text) & set(" \"'<>\\`")
    return secure and plain and bool(_HOST.fullmatch(host)) and "@" not in url.netloc
