"""The guard of pages on this machine, against other pages and host names.

A page in the user's browser can send requests to any port of this machine. It cannot choose the
Origin, Host and Sec-Fetch headers that the browser sends with them.
"""

import re
from collections.abc import Mapping

# The port may be another: of a proxy, or of a tunnel. A page of another name cannot send these.
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")


def refusal(method: str, headers: Mapping[str, str]) -> str:
    """Return why a request is refused; empty if it is not. Names of headers are in lower case."""
    return strange_host(headers) or foreign_page(method, headers)


def strange_host(headers: Mapping[str, str]) -> str:
    """Return why the request's host is refused; empty if it is not."""
    host = headers.get("host", "")
    # A name that a stranger's DNS leads here (DNS rebinding) is still the Host that browsers send.
    return "" if _LOOPBACK.fullmatch(host) else f"The host {host!r} is not this machine."


def foreign_page(method: str, headers: Mapping[str, str]) -> str:
    """Return why the page that sent the request is refused; empty if it is not."""
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{headers['host']}":
        return f"Pages of {origin} may not use this."
    site = headers.get("sec-fetch-site", "none")
    # Another port of this machine is the same site to browsers, but a foreign page to us.
    if site in ("none", "same-origin") or _is_followed_link(method, headers):
        return ""
    return "Pages of other origins may not use this."


def _is_followed_link(method: str, headers: Mapping[str, str]) -> bool:
    """Return True if a browser opens this in a tab of its own: no page can read what it shows."""
    return (
        method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
