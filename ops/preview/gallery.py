"""Files that show every page and mail of a stage in a browser, with samples."""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

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

SCHEMES = ("light", "dark")
DEVICES = ("wide", "narrow")

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
"""The samples of names: whatever people are called, pages and mails must show it well."""
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


def build(folder: Path, environment: Mapping[str, str]) -> Path:
    """Write all pages and mails of a stage to ``folder``, and return the page that shows them.

    ``environment`` is the stage's. Settings that it lacks are made up. Raises OpsError.
    """
    stage = read(environment)
    made = make(stage)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    versions_by_name: dict[str, list[Specimen]] = {}
    for specimen in made:
        versions_by_name.setdefault(specimen.name, []).append(specimen)
        for scheme in SCHEMES:
            html = _in_scheme(specimen.html, scheme)
            (folder / _file(specimen, scheme)).write_text(html, encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_index(stage.brand.product, versions_by_name), encoding="utf-8")
    return index


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


def _file(specimen: Specimen, scheme: str) -> str:
    return f"{specimen.name}.{specimen.lang}.{scheme}.html"


def _in_scheme(html: str, scheme: str) -> str:
    """``html`` as a reader who prefers ``scheme`` has it, whatever the one who looks prefers."""
    # A width can stand wherever a media query has a preference.
    for asked in SCHEMES:
        width = "(min-width: 0)" if asked == scheme else "(max-width: 0)"
        html = re.sub(rf"\(\s*prefers-color-scheme\s*:\s*{asked}\s*\)", width, html)
    return html.replace("light dark", scheme)


def _index(product: str, versions_by_name: Mapping[str, list[Specimen]]) -> str:
    languages = [specimen.lang for specimen in next(iter(versions_by_name.values()))]
    filters = "".join(
        _filter(name, label, options)
        for name, label, options in (
            ("name", "Page or mail", versions_by_name),
            ("lang", "Language", languages),
            ("scheme", "Scheme", SCHEMES),
            ("device", "Width", DEVICES),
        )
    )
    shown = languages[0]  # all frames at once would keep a browser busy for minutes
    filters = filters.replace(f"<option>{shown}<", f"<option selected>{shown}<")
    sections = "".join(_section(name, versions) for name, versions in versions_by_name.items())
    return _INDEX.format(product=escape(product), filters=filters, sections=sections)


def _filter(name: str, label: str, options: Iterable[str]) -> str:
    choices = "".join(f"<option>{option}</option>" for option in options)
    return (
        f'<label>{label} <select name="{name}"><option value="">all</option>{choices}'
        "</select></label>\n"
    )


def _section(name: str, versions: list[Specimen]) -> str:
    figures = "".join(map(_figures, versions))
    return f'<section id="{name}"><h2>{name}</h2><div class="row">{figures}</div></section>\n'


def _figures(specimen: Specimen) -> str:
    kind = f'data-name="{specimen.name}" data-lang="{specimen.lang}"'
    frames = "".join(
        f'<figure class="{device}" {kind} data-scheme="{scheme}" data-device="{device}">'
        f'<figcaption><a href="{_file(specimen, scheme)}">'
        f"{specimen.lang}, {scheme}, {device}</a></figcaption><div><template>"
        f'<iframe src="{_file(specimen, scheme)}" title="{specimen.name}, {specimen.lang}, '
        f'{scheme}, {device}" loading="lazy" sandbox></iframe></template></div></figure>'
        for device in DEVICES
        for scheme in SCHEMES
    )
    if not specimen.text:
        return frames
    text = f'<pre lang="{specimen.lang}" dir="auto">{escape(specimen.text)}</pre>'
    caption = f"<figcaption>{specimen.lang}, text</figcaption>"
    return f'{frames}<figure {kind} data-scheme="" data-device="">{caption}{text}</figure>'


_INDEX = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{product}: pages and mails</title>
<style>
:root {{ color-scheme: light dark }}
body {{ margin: 0; padding: 0 1.5rem 3rem; font: 1rem/1.5 system-ui, sans-serif }}
form {{ position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem;
  margin: 0 -1.5rem; padding: .75rem 1.5rem; background: Canvas; border-bottom: 1px solid #8888 }}
select {{ font: inherit }}
section {{ scroll-margin-top: 6rem }}
section:not(:has(figure:not([hidden]))) {{ display: none }}
.row {{ display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: 1.5rem }}
figure {{ margin: 0 }}
figure[hidden] {{ display: none }}
figcaption {{ font-size: .875rem }}
figure div {{ overflow: hidden; height: 500px; border: 1px solid #8888; border-radius: .5rem }}
.wide div {{ width: 500px }}
.narrow div {{ width: 180px }}
iframe {{ height: 1000px; border: 0; transform: scale(.5); transform-origin: 0 0 }}
.wide iframe {{ width: 1000px }}
.narrow iframe {{ width: 360px }}
pre {{ max-width: 30rem; max-height: 468px; overflow: auto; margin: 0; padding: 1rem;
  border: 1px solid #8888; border-radius: .5rem; font-size: .8125rem; white-space: pre-wrap;
  overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{product}: pages and mails</h1>
<form>
{filters}</form>
{sections}<script>
const form = document.querySelector("form");
const figures = document.querySelectorAll("figure");
function show() {{
  const wanted = [...new FormData(form)].filter(([, value]) => value);
  const differs = has => wanted.some(([name, value]) => has[name] && has[name] !== value);
  for (const figure of figures) {{
    figure.hidden = differs(figure.dataset);
    figure.querySelector("iframe")?.remove();
    const template = figure.querySelector("template");
    if (template && !figure.hidden) template.after(template.content.cloneNode(true));
  }}
  history.replaceState(null, "", "#" + new URLSearchParams(wanted));
}}
if (location.hash) {{
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const select of form.elements) select.value = wanted.get(select.name) ?? "";
}}
form.addEventListener("change", show);
show();
</script>
</body>
</html>
"""
