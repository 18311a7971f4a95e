"""Return addresses: pages of the operator's product to which browsers return."""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

MAX_LENGTH = 1024
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

_PLAIN = re.compile(r"[!#$%&()*+,\-./:;=?@\[\]_~0-9A-Za-z]+")
"""The ASCII characters of an address (RFC 3986): no blanks, quotes, brackets or backslashes."""
_NETLOC = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+")
_UNSAFE_SCHEMES = ("about", "blob", "data", "file", "ftp", "javascript", "vbscript", "ws", "wss")
_PORTS = {"https": ":443", "http": ":80"}


def is_prefix(text: str) -> bool:
    """Return True if an operator may allow ``text``: a web address, or an app's exact address."""
    if not _PLAIN.fullmatch(text):
        return False
    scheme, _, rest = text.partition("://")
    if scheme in _PORTS:
        web = _web_address(text)
        return web is not None and not web.query and not web.fragment
    return bool(_SCHEME.fullmatch(scheme)) and scheme not in _UNSAFE_SCHEMES and bool(rest)


def is_allowed(address: str, prefixes: Collection[str]) -> bool:
    """Return True if ``address`` is under one of the ``prefixes``, which all pass is_prefix().

    Web addresses are parsed, then compared. An app's own address must match character by character.
    """
    if address in prefixes and not address.startswith(("https:", "http:")):
        return True
    wanted = _web_address(address)
    return wanted is not None and any(_is_under(wanted, prefix) for prefix in prefixes)


def with_result(address: str, result: str, **details: str) -> str:
    """Return ``address`` with ``bienvenue=result`` and ``details`` in its query."""
    address, hash_sign, fragment = address.partition("#")
    address, _, query = address.partition("?")
    ours = {"bienvenue": result, **details}
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in ours]
    return f"{address}?{urlencode([*kept, *ours.items()], safe=',')}{hash_sign}{fragment}"


def origin(address: str) -> str:
    """Return the origin of a web address as browsers spell it: no path and no default port.

    For an app's own address, return its scheme, as a Content-Security-Policy spells it.
    """
    parts = urlsplit(address)
    web = parts.scheme in _PORTS
    return f"{parts.scheme}://{_netloc(parts)}" if web else f"{parts.scheme}:"


def _web_address(text: str) -> SplitResult | None:
    """Return the parts of a plain web address; None if a browser could read it differently.

    No userinfo, no backslash, no other script, no dot segment, and http only for this machine.
    """
    if len(text) > MAX_LENGTH or not _PLAIN.fullmatch(text):
        return None
    if not text.startswith(("https://", "http://")):  # nobody writes a scheme in capitals
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    netloc = parts.netloc.lower()
    if not _NETLOC.fullmatch(netloc):
        return None
    host = netloc.rpartition(":")[0] if re.search(r":\d+$", netloc) else netloc
    if parts.scheme == "http" and host not in LOOPBACK:
        return None
    # Java servers read "..;x" as "..".
    segments = {
        segment.partition(";")[0] for segment in unquote(parts.path).replace("\\", "/").split("/")
    }
    return None if {".", ".."} & segments or "//" in parts.path else parts


def _is_under(wanted: SplitResult, prefix: str) -> bool:
    if not prefix.startswith(("https:", "http:")):
        return False
    allowed = urlsplit(prefix)
    same_place = (wanted.scheme, _netloc(wanted)) == (allowed.scheme, _netloc(allowed))
    folder = allowed.path.rstrip("/")
    path = wanted.path or "/"
    return same_place and (path == (allowed.path or "/") or path.startswith(f"{folder}/"))


def _netloc(parts: SplitResult) -> str:
    return parts.netloc.lower().removesuffix(_PORTS.get(parts.scheme, ""))
