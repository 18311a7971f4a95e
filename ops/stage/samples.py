"""Every page and mail of a stage, filled with samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chalicelib import settings
from chalicelib.mail import message
from chalicelib.mail.message import Mail
from chalicelib.templates import TemplateError, Templates
from chalicelib.users.links import Link
from chalicelib.users.people import MailKind, User
from chalicelib.users.person_name import MAX_SUBJECT_LENGTH
from chalicelib.web import forms
from chalicelib.web.pages import TYPED, Pages
from ops.stage import parameter_store
from ops.stage.errors import OpsError

# For a stage that is not deployed yet. Pages and mails show none of it but the addresses.
_TO_COME = {
    "USERS_TABLE": "to-come",
    "USERS_STREAM_ARN": "arn:aws:dynamodb:eu-west-3:000000000000:table/to-come/stream/1",
    "MAIL_FEEDBACK_TOPIC_ARN": "arn:aws:sns:eu-west-3:000000000000:to-come",
    "MAIL_FROM": "hello@example.org",
    "BASE_URL": "https://hello.example.org",
    "LIMITS_TABLE": "to-come",
    "SECRET_KEY": "to-come" * 5,
}
_TOKEN = ("no-token-of-anybodys-" * 3)[:43]
_LONG = "Maximiliana-Theodora-Bartholomea-Konstantina-Appolonia-Wilhelmina"[:64]
_LONG_TOO = "de la Fontaine-Saint-Sauveur zu Hohenwolkenstein-Untertannenberg"[:64]
_LINK = Link("alexis@example.org", _TOKEN)
_LONG_LINK = Link(
    "zoe.van-der-wolkenstein+spring-newsletter@department.xn--bcher-kva.example", _TOKEN
)
_TYPED = {"email": "alexis@example.org", "prenom": "Alexis", "nom": "GÜNST HORN"}
_WRONG = {"email": "alexis@example", "prenom": "Win at https://spam.example", "nom": _LONG * 2}
_CODE = "123456"
NAMES = {
    "no-name": ("", ""),
    "one-letter": ("A", ""),
    "longest-greeting": (_LONG[:MAX_SUBJECT_LENGTH], ""),
    "long-name": (_LONG, ""),
    "long-names": (_LONG, _LONG_TOO),
    "right-to-left": ("محمد", "عبد الرحمن"),
    "thai": ("ประเสริฐศักดิ์", "ศรีสุวรรณ"),
    "tamil": ("கார்த்திகேயன்", "சுப்பிரமணியம்"),
    "han": ("葛\U000e0101", "辻\U000e0100邊\U000e0118"),  # forms that a register tells apart
    "emoji": ("Zoë 🌻", "O'Neill 👩\u200d🚀"),
}
"""Sample names that pages and mails must show well."""
_ALEXIS = User(_LINK.email, "Alexis", "GÜNST HORN", "")
_MAILS = {
    "mail": (_ALEXIS, _CODE, MailKind.LINK),
    "mail-no-code": (_ALEXIS, "", MailKind.LINK),
    "reminder": (_ALEXIS, "", MailKind.REMINDER),
    "welcome": (_ALEXIS, "", MailKind.WELCOME),
    **{
        f"{mail}-{sample}": (
            User(_LONG_LINK.email if "long" in sample else _LINK.email, prenom, nom, ""),
            code,
            kind,
        )
        for sample, (prenom, nom) in NAMES.items()
        for mail, code, kind in (
            ("mail", _CODE, MailKind.LINK),
            ("reminder", "", MailKind.REMINDER),
            ("welcome", "", MailKind.WELCOME),
        )
    },
}
"""The samples of mails: whom they greet, and their code and kind."""


@dataclass(frozen=True)
class Specimen:
    """One page or mail in one language. Of a mail, also its ``text`` below sender and subject."""

    name: str
    lang: str
    html: str
    text: str = ""
    mail: Mail | None = None


def read(environment: Mapping[str, str]) -> settings.Settings:
    """Return a stage's settings, made up where ``environment`` lacks them. Raise OpsError."""
    try:
        return settings.read(complete(environment))
    except settings.SettingsError as error:
        raise OpsError(str(error)) from error


def complete(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` with made-up values for the settings that it lacks."""
    return {**_TO_COME, **parameter_store.known(environment)}


def make(stage: settings.Settings) -> list[Specimen]:
    """Return every specimen of a stage, from its own templates where it has some.

    Raise OpsError if one of these cannot be filled.
    """
    try:
        return list(specimens(stage))
    except TemplateError as error:
        folder = stage.templates_folder or "chalicelib/templates"
        raise OpsError(f"{folder}/{error}: fix that template.") from error


def specimens(stage: settings.Settings) -> Iterator[Specimen]:
    """Yield every page and mail in every language of the stage. Its default language is first."""
    templates = Templates(stage.templates_folder)
    others = [tag for tag in templates.language_names if tag != stage.default_lang]
    for lang in (stage.default_lang, *others):
        for name, html in _pages(stage, templates, lang):
            yield Specimen(name, lang, html)
        for name, (user, code, kind) in _MAILS.items():
            composed = message.compose(
                user,
                _TOKEN,
                code,
                kind,
                templates=templates,
                base_url=stage.base_url,
                default_lang=lang,
                brand=stage.brand,
                refuse_url=f"{stage.base_url}/refuse",
            )
            sender = f"{stage.mail_from_name} <{stage.mail_from}>".strip()
            heading = f"{sender}\n{composed.subject}\n\n"
            yield Specimen(name, lang, composed.html, heading + composed.text, composed)


def _pages(stage: settings.Settings, templates: Templates, lang: str) -> Iterator[tuple[str, str]]:
    pages = Pages(
        stage.base_url,
        templates,
        stage.brand,
        stage.after_validation_url,
        refusable=True,
        names=stage.names,
        own=stage.own_fields,
    )
    form = forms.SignUpForm.of(stage, templates.languages)
    wrong = {**_WRONG, **_wrong_values(stage)}
    yield "sign-up", pages.sign_up(lang, {})
    for kind, (prenom, nom) in NAMES.items():
        yield f"sign-up-{kind}", pages.sign_up(lang, {**_TYPED, "prenom": prenom, "nom": nom})
    yield "sign-up-errors", pages.sign_up(lang, wrong, _problems(form, wrong, lang))
    nothing = dict.fromkeys(TYPED, "")
    yield "sign-up-nothing-typed", pages.sign_up(lang, nothing, _problems(form, nothing, lang))
    yield "sent", pages.sent(lang, _LINK.email, _TYPED)
    yield "sent-code", pages.sent(lang, _LINK.email, _TYPED, takes_code=True)
    yield "sent-code-failed", pages.sent(lang, _LINK.email, _TYPED, code_failed=True)
    yield "sent-long-address", pages.sent(lang, _LONG_LINK.email, _TYPED)
    for name in ("confirm", "validated", "already_validated", "expired"):
        yield name.replace("_", "-"), pages.link(name, lang, _LINK)
    yield "refuse", pages.refuse(lang, _LINK)
    yield "refuse-done", pages.refuse_done(lang)
    yield "refused", pages.refused(lang)
    yield "problem", pages.problem(lang, "service_unavailable")
    yield "not-found", pages.problem(lang, "not_found")
    for name in ("confirm", "expired"):
        yield f"{name}-long-address", pages.link(name, lang, _LONG_LINK)


def _wrong_values(stage: settings.Settings) -> dict[str, str]:
    """Return a value that is refused for each of the stage's own fields, but for its boxes.

    A box is wrong only if it must be ticked and is not.
    """
    fields = stage.own_fields.fields if stage.own_fields else ()
    return {field.name: "x" * (field.max_length + 1) for field in fields if not field.is_box}


def _problems(
    form: forms.SignUpForm, fields: Mapping[str, str], lang: str
) -> tuple[forms.Problem, ...]:
    try:
        form.read(fields, lang, is_form=True)
    except forms.Invalid as error:
        return error.problems
    return ()
