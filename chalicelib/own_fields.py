"""A stage's own fields, as its fields.json and SOURCE_FIELDS define them.

Only stages that have some load this module. docs/fields.md describes the file.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from chalicelib import templates

TEXT, CHOICE, CHECKBOX, CONSENT = TYPES = ("text", "choice", "checkbox", "consent")
MAX_FIELDS = 12
MAX_SOURCES = 16
MAX_LENGTH = 500  # of a text field: an item of 400 KB has up to 20 links with all fields
USUAL_LENGTH = 200
MAX_CHOICES = 50
MAX_LABEL, MAX_CONSENT = 300, 2000
MAX_SOURCE = 128

_NAME = re.compile("[a-z][a-z0-9_]{0,31}")
_TAKEN = frozenset(
    (
        *("email", "prenom", "first_name", "nom", "last_name", "name", "names", "lang"),
        *("return_to", "ticket", "token", "code", "show", "b_remarks", "altcha", "challenge"),
        "moment",
        *("fields", "consent"),
    )
)
_UTM = "utm_*"
# https://support.google.com/analytics/answer/10917952
_UTM_NAMES = tuple(
    f"utm_{name}"
    for name in (
        *("source", "medium", "campaign", "id", "term", "content"),
        *("source_platform", "creative_format", "marketing_tactic"),
    )
)
_KEYS = {
    TEXT: {"type", "label", "hint", "required", "max", "links", "autocomplete"},
    CHOICE: {"type", "label", "hint", "required", "choices"},
    CHECKBOX: {"type", "label", "hint", "required"},
    CONSENT: {"type", "label", "hint", "required"},
}
# https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#autofill-field
_AUTOCOMPLETE = frozenset(
    (
        *("off", "name", "honorific-prefix", "additional-name", "honorific-suffix", "nickname"),
        *("organization", "organization-title", "street-address", "address-line1"),
        *("address-line2", "address-line3", "address-level1", "address-level2", "address-level3"),
        *("address-level4", "country", "country-name", "postal-code", "language", "bday", "sex"),
        *("url", "photo", "tel", "tel-national", "impp"),
    )
)
_LINK = re.compile(r"\[([^\[\]]+)\]\(([^()\s]*)\)")
_HREF = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#][!#$%&'*+,./:;=?@~_A-Za-z0-9-]*)?")


class _Mistake(ValueError):
    """One mistake in the file. The message is the end of a sentence about a field."""


class Texts(NamedTuple):
    """One text in several languages. ``fallbacks`` follow the language that the reader asks for."""

    by_language: Mapping[str, str]
    fallbacks: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.by_language)

    def best(self, lang: str) -> tuple[str, str]:
        """Return the tag and the text for readers of ``lang``."""
        for tag in (*reversed([*templates.from_general(lang)]), *self.fallbacks):
            if tag in self.by_language:
                return tag, self.by_language[tag]
        return "", ""


NO_CHOICES: Mapping[str, Texts] = {}


class OwnField(NamedTuple):
    """One field. ``choices`` are the texts of a choice's values, and ``max_length`` is a text's."""

    name: str
    type: str
    label: Texts
    hint: Texts
    is_required: bool = False
    max_length: int = USUAL_LENGTH
    takes_links: bool = False
    autocomplete: str = ""
    choices: Mapping[str, Texts] = NO_CHOICES

    @property
    def is_box(self) -> bool:
        """Return True if the field is a box to tick."""
        return self.type in (CHECKBOX, CONSENT)

    @property
    def sample(self) -> str:
        """An accepted value, for examples and tests."""
        if self.type == TEXT:
            return "Acme"[: self.max_length]
        return next(iter(self.choices)) if self.type == CHOICE else "true"

    def shown(self, lang: str) -> tuple[str, str]:
        """Return the label's language, and the text (label and hint) that its readers agree to."""
        tag, label = self.label.best(lang)
        _, hint = self.hint.best(lang)
        return tag, f"{label}\n{hint}" if hint else label

    def by_hash(self, text_hash: str) -> tuple[str, str] | None:
        """Return the language and the text with this hash; None if no page shows that text now."""
        for lang in {**self.label.by_language, **self.hint.by_language}:
            tag, text = self.shown(lang)
            if digest(text) == text_hash:
                return tag, text
        return None


class OwnFields(NamedTuple):
    """All fields of a stage, and the names of its hidden ``sources``, such as ``utm_source``."""

    fields: tuple[OwnField, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a sign-up may send."""
        return (*(field.name for field in self.fields), *self.sources)

    @property
    def consents(self) -> tuple[OwnField, ...]:
        """The boxes of consent."""
        return tuple(field for field in self.fields if field.type == CONSENT)

    @property
    def required_samples(self) -> dict[str, str]:
        """The smallest valid values of these fields for a sign-up."""
        return {field.name: field.sample for field in self.fields if field.is_required}

    def find(self, name: str) -> OwnField | None:
        """Return the field of that name; None for sources and unknown names."""
        return next((field for field in self.fields if field.name == name), None)


def page_mistakes(folder: str) -> list[str]:
    """Return a sentence for each sign-up page in ``folder`` that has no place for the fields."""
    pages = (templates.PACKAGE / folder / "pages").rglob("sign_up.html")
    return [
        f"TEMPLATES_FOLDER has a {page.name} without $own_fields: there, the fields of "
        f"{templates.FIELDS} stand"
        for page in pages
        if "$own_fields" not in page.read_text(encoding="utf-8")
    ]


def digest(text: str) -> str:
    """Return the hash that identifies a consent's text: its SHA-256, in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a label or hint, each with the address that it leads to, if any.

    A link is written as in Markdown: ``[terms](https://example.org/terms)``.
    """
    end = 0
    for link in _LINK.finditer(text):
        yield text[end : link.start()], ""
        yield link[1], link[2]
        end = link.end()
    yield text[end:], ""


def read(
    definition: str, sources: str, languages: Collection[str], default_lang: str
) -> tuple[OwnFields, list[str]]:
    """Return the fields of a stage, and a sentence for each mistake.

    ``definition`` is the text of its fields.json, or empty. ``sources`` is SOURCE_FIELDS.
    """
    mistakes: list[str] = []
    fields: list[OwnField] = []
    reader = _Reader(languages, default_lang)
    for name, entry in _entries(definition, mistakes).items():
        try:
            fields.append(reader.field(name, entry))
        except _Mistake as mistake:
            mistakes.append(f"{templates.FIELDS}: {name[:32]!r} {mistake}")
    names = tuple(
        dict.fromkeys(
            name
            for source in sources.split()
            for name in (_UTM_NAMES if source == _UTM else (source,))
        )
    )
    used = {field.name for field in fields}
    mistakes += [
        f"SOURCE_FIELDS has {name[:32]!r}: use utm_*, or names such as ref, of small letters, "
        "digits and _"
        for name in names
        if not _NAME.fullmatch(name) or name in _TAKEN | used
    ]
    if len(names) > MAX_SOURCES:
        mistakes.append(f"SOURCE_FIELDS may have at most {MAX_SOURCES} names")
    return OwnFields(tuple(fields), names), mistakes


def _entries(definition: str, mistakes: list[str]) -> dict[str, Any]:
    if not definition:
        return {}
    try:
        parsed = json.loads(definition, object_pairs_hook=_once)
    except ValueError as error:
        mistakes.append(f"{templates.FIELDS} is not JSON: {error}")
        return {}
    if not isinstance(parsed, dict):
        mistakes.append(f"{templates.FIELDS} must be one JSON object, with a name for each field")
        return {}
    if len(parsed) > MAX_FIELDS:
        mistakes.append(f"{templates.FIELDS} may have at most {MAX_FIELDS} fields")
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is there twice")
    return dict(pairs)


class _Reader:
    """Reads the entries of the file. All of its functions raise _Mistake."""

    def __init__(self, languages: Collection[str], default_lang: str) -> None:
        self._tags = {tag for lang in languages for tag in templates.from_general(lang)}
        self._default = default_lang

    def field(self, name: str, entry: Any) -> OwnField:
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise _Mistake(
                "cannot be a name: use at most 32 small letters, digits and _, and none of ours"
            )
        kind = entry.get("type") if isinstance(entry, dict) else None
        if kind not in TYPES:
            raise _Mistake(f"needs a type: {', '.join(TYPES)}")
        if strange := [key for key in entry if key not in _KEYS[kind]]:
            raise _Mistake(f"has {strange[0]!r}, which a {kind} does not have")
        longest = MAX_CONSENT if kind == CONSENT else MAX_LABEL
        autocomplete = entry.get("autocomplete", "")
        if autocomplete != "" and str(autocomplete) not in _AUTOCOMPLETE:
            raise _Mistake(f"has an autocomplete that browsers do not know: {autocomplete!r}")
        return OwnField(
            name=name,
            type=kind,
            label=self._texts("label", entry.get("label"), longest),
            hint=self._texts("hint", entry["hint"], longest) if "hint" in entry else self._none,
            is_required=_flag(entry, "required"),
            max_length=_length(entry),
            takes_links=_flag(entry, "links"),
            autocomplete=autocomplete,
            choices=self._choices(entry.get("choices")) if kind == CHOICE else {},
        )

    @property
    def _none(self) -> Texts:
        return Texts({}, ())

    def _texts(self, purpose: str, value: Any, longest: int = MAX_LABEL) -> Texts:
        texts = {self._default: value} if isinstance(value, str) else value
        if not isinstance(texts, dict) or not texts:
            raise _Mistake(f"needs a {purpose}: a text, or an object with a text for each language")
        for tag, text in texts.items():
            if tag not in self._tags:
                raise _Mistake(f"has a {purpose} in {tag!r}, which is no language of the stage")
            if not isinstance(text, str) or not text.strip() or not text.isprintable():
                raise _Mistake(f"has a {purpose} in {tag!r} that is not one line of text")
            if len(text) > longest:
                raise _Mistake(f"has a {purpose} in {tag!r} of more than {longest} characters")
            for _, href in pieces(text):
                if href and not _HREF.fullmatch(href):
                    raise _Mistake(f"has a {purpose} with a link that does not start with https://")
        fallbacks = (templates.LAST_RESORT, self._default)
        general = templates.from_general(self._default)
        if not {*fallbacks, *general} & texts.keys():
            raise _Mistake(f"needs a {purpose} in {' or '.join(dict.fromkeys(fallbacks))}")
        return Texts(texts, (*fallbacks, *reversed([*general])))

    def _choices(self, value: Any) -> Mapping[str, Texts]:
        if not isinstance(value, dict) or not 1 < len(value) <= MAX_CHOICES:
            raise _Mistake(f"needs choices: an object of 2 to {MAX_CHOICES} values and labels")
        for name in value:
            if not _CHOICE.fullmatch(name):
                raise _Mistake(
                    f"has the choice {name[:32]!r}: use at most 64 letters, digits, . _ and -"
                )
        return {name: self._texts(f"choice {name}", label) for name, label in value.items()}


_CHOICE = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _flag(entry: Mapping[str, Any], name: str) -> bool:
    value = entry.get(name, False)
    if not isinstance(value, bool):
        raise _Mistake(f"has {name!r}, which must be true or false")
    return value


def _length(entry: Mapping[str, Any]) -> int:
    value = entry.get("max", USUAL_LENGTH)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_LENGTH:
        raise _Mistake(f"has 'max', which must be a whole number from 1 to {MAX_LENGTH}")
    return value
