"""People's names: any script, but nothing that could carry a message into a stranger's mailbox."""

import re
import unicodedata

MAX_LENGTH = 64
MAX_DIGITS = 4  # "Louis 14" and "Bob1984" are names; what is longer is a number to call

# What mail programs turn into links by themselves: a scheme, an address, or two labels and a dot
# (also the dots that IDNA reads as one; before the last of them may be a sign, as in "i❤.ws").
# "J. R. R. Tolkien" and "Ph.D" are no links.
_LINK = re.compile(r"://|@|\bwww\.|[^\s.\u3002][.\u3002][^\W\d_]{2,}", re.IGNORECASE)
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
_NOT_BARE = frozenset(("Mn", "Mc", "Me", "Cf"))
# Between letters, these make neither a link nor a number. A test holds all letters to that.
_JOINTS = str.maketrans("", "", " -'\u2019")
# Reordering the text around a name would let it rewrite our own sentence (Unicode UAX #9, §2).
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class NameRefused(ValueError):
    """A name that is refused. ``code`` says why: ``name_too_long``, ``name_control_character``,
    ``name_link`` or ``name_phone_number``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def clean(text: str) -> str:
    """``text`` trimmed and in NFC; may be empty. Raises NameRefused."""
    name = unicodedata.normalize("NFC", text).strip()
    if len(name) > MAX_LENGTH:
        raise NameRefused("name_too_long")
    if _is_plain(name):  # almost everybody's, and much the quickest to say
        return name
    # isprintable() alone would refuse more, such as the joiners of some scripts.
    if not name.isprintable() and any(map(_is_control, name)):
        raise NameRefused("name_control_character")
    bare = _bare(name)
    if _LINK.search(bare):
        raise NameRefused("name_link")
    _refuse_number(bare)
    return name


def whole(prenom: str, nom: str) -> str:
    """Two clean names as a greeting has them. Raises NameRefused if each is half of a telephone
    number."""
    name = f"{prenom} {nom}".strip()
    if not _is_plain(name):
        _refuse_number(_bare(name))
    return name


def safe(text: str) -> str:
    """``text`` if it may be printed in a mail, else nothing: for items that others put."""
    try:
        return clean(text)
    except NameRefused:
        return ""


def _is_plain(name: str) -> bool:
    """Whether nothing could be wrong with ``name``: it is letters, and what joins them."""
    return name.translate(_JOINTS).isalpha()


def _refuse_number(bare: str) -> None:
    if sum(map(str.isdigit, bare)) > MAX_DIGITS:
        raise NameRefused("name_phone_number")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _UNPRINTABLE or character in _BIDI_CONTROLS


def _bare(name: str) -> str:
    """``name`` as a mail program may read it: compatibility forms resolved (NFKC), and without
    marks and invisible characters, which are no letters to ``_LINK`` but may stand in a host."""
    plain = unicodedata.normalize("NFKC", name)
    if plain.isascii():
        return plain
    return "".join(c for c in plain if unicodedata.category(c) not in _NOT_BARE)
