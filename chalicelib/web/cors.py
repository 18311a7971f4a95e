"""Cross-origin rules: the answers that other origins' scripts may read."""

from collections.abc import Collection

METHODS = {
    "/users": "POST",
    "/resend": "POST",
    "/validate": "GET, POST",
    "/challenge": "POST",
}
"""The paths that allowed origins may use, with their methods."""
ANY_ORIGIN = "*"
MAX_AGE = 7200  # seconds; Chromium remembers a preflight no longer


def response_headers(path: str, origin: str, allowed: Collection[str]) -> dict[str, str]:
    """Return the headers that let a script of ``origin`` read an answer, if it may.

    Cookies are for origins that the operator names: no browser sends them to ``*``.
    """
    if path not in METHODS:
        return {}
    if origin in allowed and origin != ANY_ORIGIN:
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
        }
    return {"Access-Control-Allow-Origin": ANY_ORIGIN} if ANY_ORIGIN in allowed else {}


def preflight_headers(path: str, origin: str) -> dict[str, str]:
    """Return the headers that answer a preflight of an allowed ``origin``, or of ``*``."""
    return {
        **response_headers(path, origin, {origin}),
        "Access-Control-Allow-Methods": METHODS[path],
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Max-Age": str(MAX_AGE),
        "Vary": "Origin",
    }
