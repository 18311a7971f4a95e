"""Invisible characters, which users copy along with text from a screen."""

import unicodedata

# Letters and symbols by category, but blank: Hangul fillers, the empty Braille pattern,
# a musical note without a head.
_BLANK = "\u115f\u1160\u3164\uffa0\u2800\U0001d159"
# Without the two joiners: at the end of a Malayalam or Sinhala word they change its shape.
_FORMATS = "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"

ISOLATES = "\u2066\u2067\u2068"
EMBEDDINGS = "\u202a\u202b"
DIRECTIONS = f"{EMBEDDINGS}\u202c\u202d\u202e{ISOLATES}\u2069"
"""The characters that reorder the text around them (Unicode UAX #9, §2)."""

_SPACES = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
EDGES = f"{_SPACES}{_BLANK}{_FORMATS}"
"""The characters that ``strip`` removes from both ends of typed text: blank or invisible."""


def is_visible(character: str) -> bool:
    """Return True if the character is visible by itself."""
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANK


def is_hidden(text: str) -> bool:
    """Return True if a character of ``text`` has no width, or looks blank."""
    return any(unicodedata.category(c) == "Cf" or c in _BLANK for c in text)
