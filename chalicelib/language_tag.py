"""Language tags: the language of a stage that fits a tag."""

import re
from collections.abc import Collection

MAX_LENGTH = 35  # RFC 5646 §4.4.1: a tag of ordinary subtags

_AFTER_THE_TAG = re.compile(r"[.@]")  # POSIX: an encoding, a modifier


def match(tag: str, languages: Collection[str]) -> str:
    """Return the one of ``languages`` that fits ``tag``; empty if none does.

    ``tag`` is a BCP 47 tag (``zh-Hant-TW``) or a POSIX locale (``pt_BR.UTF-8``). The lookup drops
    its last subtag until a language fits (RFC 4647 §3.4). If none fits, any variety of the language
    does: readers of ``zh-TW`` prefer ``zh-Hans`` to French.
    """
    if tag in languages:
        return tag
    if not tag or len(tag) > MAX_LENGTH:
        return ""
    wanted = _AFTER_THE_TAG.split(tag.strip().lower().replace("_", "-"), maxsplit=1)[0]
    known = {language.lower(): language for language in sorted(languages)}
    shorter = wanted
    while shorter:
        if shorter in known:
            return known[shorter]
        shorter = shorter.rpartition("-")[0]
    primary = wanted.partition("-")[0]
    return next((known[name] for name in known if primary and name.startswith(f"{primary}-")), "")
