"""The stage's settings: every environment variable there is, read once and checked together."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SettingsError(Exception):
    """The stage cannot start; the message names each setting that is missing or wrong."""


@dataclass(frozen=True)
class Settings:
    """What a stage decides. The README's table of settings says what each is for."""

    users_table: str
    users_stream_arn: str
    mail_from: str
    base_url: str
    default_lang: str = "fr"
    validate_on_get: bool = True
    mail_configuration_set: str = ""


def read(env: Mapping[str, str], languages: Collection[str]) -> Settings:
    """The settings in ``env``. ``languages`` are those that there are templates for.

    Raises SettingsError with all that is wrong, not only the first.
    """
    problems: list[str] = []

    def required(name: str) -> str:
        value = env.get(name, "").strip()
        if not value:
            problems.append(f"{name} is missing")
        return value

    settings = Settings(
        users_table=required("USERS_TABLE"),
        users_stream_arn=required("USERS_STREAM_ARN"),
        mail_from=required("MAIL_FROM"),
        base_url=required("BASE_URL").rstrip("/"),
        default_lang=env.get("DEFAULT_LANG", "fr").strip(),
        validate_on_get=env.get("VALIDATE_ON_GET", "true").strip() == "true",
        mail_configuration_set=env.get("MAIL_CONFIGURATION_SET", "").strip(),
    )
    if settings.users_stream_arn and not _is_stream_arn(settings.users_stream_arn):
        problems.append("USERS_STREAM_ARN must be the ARN of a table's stream")
    if settings.mail_from and not _is_sender(settings.mail_from):
        problems.append("MAIL_FROM must be a bare address, such as hello@example.org")
    if settings.base_url and not _is_base_url(settings.base_url):
        problems.append("BASE_URL must be https://host[/path], with nothing after it")
    if settings.default_lang not in languages:
        problems.append(f"DEFAULT_LANG must be one of {', '.join(sorted(languages))}")
    if env.get("VALIDATE_ON_GET", "true").strip() not in ("true", "false"):
        problems.append("VALIDATE_ON_GET must be true or false")
    if problems:
        raise SettingsError(
            f"Bienvenue cannot start: {'; '.join(problems)}. Settings are the stage's "
            "environment_variables in .chalice/config.json; a stage that has no table yet gets "
            "it, and them, from: make deploy STAGE=<stage> MAIL_FROM=<address>"
        )
    return settings


def _is_stream_arn(text: str) -> bool:
    return text.startswith("arn:") and ":dynamodb:" in text and "/stream/" in text


def _is_sender(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    plain = text.isascii() and text.isprintable() and not set(text) & set(' <>",;:')
    return bool(local and domain and plain) and "@" not in local


def _is_base_url(text: str) -> bool:
    """Whether links can be made by adding a path. Plain http is for this machine alone."""
    try:
        url = urlsplit(text)
        host = url.hostname
        _ = url.port
    except ValueError:
        return False
    secure = url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK)
    only_a_place = not (url.query or url.fragment or url.username or url.password)
    return bool(host) and secure and only_a_place and text.isascii() and text.isprintable()
