"""People's names: any script, but no message to a stranger's mailbox.

``RULES`` lists what is refused, and why. Every other name stays as the user typed it.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from chalicelib.users import invisible, top_level_domains

MAX_LENGTH = 64
TYPED_AS = 4  # characters at most for one letter, such as a Greek letter with its marks
MAX_DIGITS = 4  # "Louis 14" and "Bob1984" are names; a longer number is one to call

# "Bienvenue Alexis GÜNST HORN !" is a subject. Longer names could be a message that needs no link.
MAX_SUBJECT_WORDS = 5
MAX_SUBJECT_LENGTH = 48


class NameRefused(ValueError):
    """The name is refused. ``code`` is the rule's: ``name_too_long``,
    ``name_control_character``, ``name_link`` or ``name_phone_number``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


LATIN = re.compile(r"[ -~\u00a1-\u00ac\u00ae-\u02ff]+")
"""Text that is already tidy: printable, visible and in NFC."""


class Untidy(ValueError):
    """The text is no single line of limited length. ``reason``: too_long or control_character."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Rule(NamedTuple):
    """One kind of text that is not a name."""

    code: str
    refuses: str
    because: str
    matches: Callable[[str], bool]
    """True if the rule looks at the name as a mail program reads it: see ``_as_read``."""


def clean(text: str) -> str:
    """Return ``text`` trimmed and in NFC; empty if nothing in it is visible. Raise NameRefused."""
    try:
        name = tidy(text, MAX_LENGTH)
    except Untidy as error:
        raise NameRefused(f"name_{error.reason}") from error
    if not name or _is_plain(name):  # most names, and much faster than the rules
        return name
    read = _as_read(name)
    for rule in RULES:
        if rule.matches(read):
            raise NameRefused(rule.code)
    return name


def tidy(text: str, max_length: int) -> str:
    """Return ``text`` trimmed and in NFC; empty if nothing in it is visible. Raise Untidy.

    The length is checked before any Unicode work.
    """
    name = text.strip()
    if len(name) > TYPED_AS * max_length:
        raise Untidy("too_long")
    if LATIN.fullmatch(name) and len(name) <= max_length:
        return name  # takes a third of the time of the code below, and is enough for most names
    name = _compose(_unwrap(name).strip(invisible.EDGES))
    if len(name) > max_length:
        raise Untidy("too_long")
    if not name.isprintable() and any(map(_is_control, name)):
        raise Untidy("control_character")
    return name if any(map(invisible.is_visible, name)) else ""


def has_link(text: str) -> bool:
    """Return True if a mail program may turn a part of ``text`` into a link."""
    read = _as_read(text)
    return any(rule.code == "name_link" and rule.matches(read) for rule in RULES)


def whole(prenom: str, nom: str) -> str:
    """Return two clean names joined for a greeting. Raise NameRefused for a telephone number."""
    name = f"{prenom} {nom}".strip()
    if not _is_plain(name) and _has_phone_number(_as_read(name)):
        raise NameRefused("name_phone_number")
    return name


def safe(text: str) -> str:
    """Return ``text`` if a mail may greet by it, else nothing: other programs may put any name."""
    try:
        return clean(text)
    except NameRefused:
        return ""


def fits_subject(name: str) -> bool:
    """Return True if a whole name is short enough for a mail's subject and its heading."""
    return len(name) <= MAX_SUBJECT_LENGTH and len(name.split()) <= MAX_SUBJECT_WORDS


# A letter or a title before a dot: the rest is then a name, although it is also a domain.
_BEFORE_A_NAME = r"(?:[^\W\d_]|adv|dott|dr|fr|ing|mag|md|mr|mrs|ms|prof|shri|smt|sr|st|sri|univ)"
# A stranger cannot choose the host: only a letter or a title can stand before one of these.
# They are surnames of the US census, faker's locales and gender-guesser, and academic degrees.
_NAMES_AS_WELL = re.compile(
    r"abbott|best|bharti|black|bond|camp|case|cash|chase|church|day|dupont|ericsson|ferrari"
    r"|flowers|ford|fox|gallo|gay|george|glass|green|hermes|house|hughes|joy|kim|law|leclerc|li"
    r"|lilly|lincoln|love|ma|norton|ott|page|paris|philips|rich|rogers|schmidt|schwarz|sharp"
    r"|smart|song|suzuki|walter|wang|weber|weir|med|phd|prof|sc|vet"
)
# Particles, only before another word: in S.de Silva, but not in "see x.de".
_PARTICLES = frozenset(("al", "de", "do", "la", "le", "mc"))
_LATIN = r"a-z\u00df-\u02af\u1e00-\u1eff"
# Letters and marks of other scripts: no spaces, punctuation or symbols.
_OTHER = (
    r"[^\x00-\u02af\u1680\u1e00-\u1eff\u2000-\u2bff\u3000-\u303f\ufe00-\ufe0f\U0001f000-\U0001faff]"
)
# A label's end may be a sign, as in "i❤.ws". What follows the dot ends where its script does.
_DOMAIN = re.compile(
    rf"(?P<before>(?:(?<![\w.\u3002-]){_BEFORE_A_NAME}(?:\.(?:[^\W\d_]|med))*)?)"
    r"(?<=[^\s.\u3002])[.\u3002]"
    rf"(?P<top>xn--|[{_LATIN}]+|{_OTHER}+)(?P<next>[/:]|[ '\u2019-](?=[^\W\d_]))?"
)


def _has_domain(read: str) -> bool:
    return ("." in read or "\u3002" in read) and any(
        _is_top_level(match["top"]) and not _is_name_as_well(match)
        for match in _DOMAIN.finditer(read.casefold())
    )


def _is_name_as_well(match: re.Match[str]) -> bool:
    if not match["before"]:
        return False
    if match["top"] in _PARTICLES:
        return match["next"] not in (None, "/", ":")
    return bool(_NAMES_AS_WELL.fullmatch(match["top"])) and match["next"] not in ("/", ":")


def _is_top_level(label: str) -> bool:
    if label.isascii():
        return label in _LINKED_ANYWAY or label in top_level_domains.in_ascii()
    return label in top_level_domains.in_unicode()


# Not top-level domains, but they tell a reader where to go.
_LINKED_ANYWAY = frozenset(("xn--", "example", "invalid", "local", "localhost", "onion", "test"))


def _has_phone_number(read: str) -> bool:
    return sum(map(str.isdigit, read)) > MAX_DIGITS


def _search(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda read: compiled.search(read) is not None


RULES = (
    Rule("name_link", "://", "mail programs link it", _search("://")),
    Rule("name_link", "www.", "mail programs link it", _search(r"\bwww\.")),
    Rule(
        "name_link",
        "@, but not between two spaces",
        "mail programs link addresses, and people look handles up; nobody links Raju @ Ravi",
        _search(r"(?<!\s)@|@(?!\s)"),
    ),
    Rule(
        "name_link",
        "a dot before a top-level domain, but not in S.Kim or Dr.med.",
        "mail programs link hosts; R.Kumaran and St.Clair are none",
        _has_domain,
    ),
    Rule("name_phone_number", "over 4 digits", "people call numbers", _has_phone_number),
)
"""The rules that refuse a name, besides its length and control characters."""

# Between letters, these make neither a link nor a number. A test proves that for all letters.
_JOINTS = str.maketrans("", "", " -'\u2019")
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
# A link is still readable with these in it, unseen or struck through: all format characters
# (Cf), fillers, variation selectors, and the marks that belong to no script. Other marks are read.
_NOT_READ = re.compile(
    "[\u00ad\u0300-\u036f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20ff"
    "\u3164\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e01ef]"
)
_IDEOGRAPHS = re.compile("([\uf900-\ufaff\U0002f800-\U0002fa1f]+)")
_WRAPPED = re.compile(
    f"[{invisible.ISOLATES}]([^{invisible.DIRECTIONS}]*)\u2069"
    f"|[{invisible.EMBEDDINGS}]([^{invisible.DIRECTIONS}]*)\u202c"
)


def _is_plain(name: str) -> bool:
    """Return True if ``name`` is only letters and joining characters: no rule can match it."""
    return name.translate(_JOINTS).isalpha()


def _unwrap(name: str) -> str:
    """Return ``name`` without closed isolates and embeddings. Telephones copy names in them."""
    previous = ""
    while name != previous and not name.isprintable():  # all of these are unprintable
        previous, name = name, _WRAPPED.sub(r"\1\2", name)
    return name


def _compose(name: str) -> str:
    """Return ``name`` in NFC, but for compatibility ideographs: NFC would exchange these.

    U+FA19 and U+FA10 are other characters in Japanese names, not other spellings (Unicode 23.8).
    """
    if name.isascii() or unicodedata.is_normalized("NFC", name):
        return name
    pieces = _IDEOGRAPHS.split(name)
    pieces[::2] = [unicodedata.normalize("NFC", piece) for piece in pieces[::2]]
    return "".join(pieces)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _UNPRINTABLE or character in invisible.DIRECTIONS


def _as_read(name: str) -> str:
    """Return ``name`` as a mail program may read it.

    Compatibility forms are resolved (NFKC). Invisible characters and loose marks are left out: a
    reader sees the link in spite of them.
    """
    plain = unicodedata.normalize("NFKC", name)
    return plain if plain.isascii() else _NOT_READ.sub("", plain)
