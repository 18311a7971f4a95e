"""The proof of work that a sign-up brings where the setting CHALLENGE asks for it.

Only stages with a challenge import this module. Nothing is stored: a challenge and a waiting time
are signed, and bound to one address and ten minutes. Sent again within them, they let the same
address sign up again, which the limits of the address bound anyway.
"""

import hmac
import json
import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import altcha
from chalice.app import Response

from chalicelib.web import forms
from chalicelib.web.request import Request
from chalicelib.web.response import Answers
from chalicelib.web.site import Site

LIFE = timedelta(minutes=10)
"""The life of a challenge and of its solution."""
DELAY = timedelta(seconds=10)
"""The time that a browser without scripts waits instead."""
ALGORITHM, ITERATIONS = "PBKDF2/SHA-256", 3000
FEWEST, MOST = 40, 80
"""The fewest and the most keys that the solver derives, each of ITERATIONS."""
MAX_SOLUTION = 4096
FILES = {
    "altcha.js": "text/javascript; charset=utf-8",
    "worker.js": "text/javascript; charset=utf-8",
    "form.js": "text/javascript; charset=utf-8",
}
"""The scripts of the page: altcha's widget, its solver, and our form's use of them."""

_FOLDER = Path(__file__).parent / "altcha"


class Challenge:
    """The challenge of a stage. ``is_asked`` returns True while sign-ups must bring a solution."""

    def __init__(
        self, secret_key: str, is_asked: Callable[[datetime], bool], now: Callable[[], datetime]
    ) -> None:
        self._signing = _derived(secret_key, "challenge")
        self._solving = _derived(secret_key, "solution")
        self._waiting = _derived(secret_key, "moment")
        self._is_asked = is_asked
        self._now = now

    def serve(self, site: Site, answers: Answers) -> None:
        """Add the routes of the challenge to ``site``."""
        for name in FILES:
            site.get(f"/challenge/{name}")(partial(_file, name))

        @site.post("/challenge")
        def make_challenge(request: Request) -> Response:
            email = forms.read_address(request.fields, is_form=request.is_form)
            return answers.content(request, self.make(email, self._now()))

    def is_asked_now(self) -> bool:
        """Return True if a sign-up must bring a solution now."""
        return self._is_asked(self._now())

    def describe(self, description: str) -> str:
        """Return the OpenAPI description of a stage, with what a challenge adds."""
        return _described(description)

    def make(self, email: str, now: datetime) -> str:
        """Return a challenge for a canonical address, as JSON that altcha's solvers take."""
        made = altcha.create_challenge(
            ALGORITHM,
            ITERATIONS,
            counter=FEWEST + secrets.randbelow(MOST - FEWEST),
            data={"for": self._bound(email), "expires": int((now + LIFE).timestamp())},
            hmac_secret=self._signing,
            hmac_key_secret=self._solving,
        )
        return json.dumps(made.to_dict()) + "\n"

    def refuse(
        self, answers: Answers, request: Request, email: str, now: datetime
    ) -> Response | None:
        """Return the answer to a sign-up of ``email`` that brings no solution; None if it may pass.

        A browser without scripts may wait for DELAY instead, if it sends the form for a page.
        """
        if not self._is_asked(now) or self._is_solved(request.solution, email, now):
            return None
        if not (request.is_form and request.wants_page):
            code = "challenge_failed" if request.solution else "challenge_missing"
            return answers.challenged(request, code, "")
        if self._age(request.moment, email, now) >= DELAY:
            return None
        moment = self.moment(request.moment, email, now)
        return answers.challenged(request, "challenge_missing", moment)

    def moment(self, moment: str, email: str, now: datetime) -> str:
        """Return ``moment`` if it is signed and recent, else a new signed moment: ``now``."""
        if self._age(moment, email, now) >= timedelta():
            return moment
        started = str(int(now.timestamp()))
        return f"{started}.{self._seal(started, email)}"

    def _is_solved(self, solution: str, email: str, now: datetime) -> bool:
        if not 0 < len(solution) <= MAX_SOLUTION:
            return False
        try:
            payload = altcha.Payload.from_dict(json.loads(b64decode(solution, validate=True)))
            solved = altcha.verify_solution(
                payload, self._signing, hmac_key_secret=self._solving
            ).verified
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
        data = payload.challenge.parameters.data  # signed, so it is what ``make`` wrote
        return bool(
            solved
            and data
            and hmac.compare_digest(data["for"], self._bound(email))
            and now.timestamp() < data["expires"]
        )

    def _age(self, moment: str, email: str, now: datetime) -> timedelta:
        """Return the time that a form has waited; negative if ``moment`` is not valid."""
        started, _, seal = moment.partition(".")
        if not (started.isascii() and started.isdigit() and len(started) <= 12):
            return timedelta(-1)
        if not hmac.compare_digest(seal.encode(), self._seal(started, email).encode()):
            return timedelta(-1)
        age = timedelta(seconds=now.timestamp() - int(started))
        return age if age <= LIFE else timedelta(-1)

    def _bound(self, email: str) -> str:
        return hmac.digest(self._signing, email.encode(), "sha256").hex()[:32]

    def _seal(self, started: str, email: str) -> str:
        return hmac.digest(self._waiting, f"{started} {email}".encode(), "sha256").hex()[:32]


@cache
def _described(description: str) -> str:
    """Return the OpenAPI description of a stage, with what a challenge adds."""
    whole = json.loads(description)
    _merge(whole, json.loads(_read("openapi.json")))
    return json.dumps(whole, ensure_ascii=False) + "\n"


def _merge(whole: dict[str, Any], part: Mapping[str, Any]) -> None:
    for name, value in part.items():
        if isinstance(value, dict) and name in whole:
            _merge(whole[name], value)
        else:
            whole[name] = value


def _derived(secret_key: str, purpose: str) -> bytes:
    """Return a key of its own for each purpose."""
    return hmac.digest(secret_key.encode(), f"bienvenue {purpose}".encode(), "sha256")


def _file(name: str, request: Request) -> Response:  # noqa: ARG001  # a view has a request
    headers: Mapping[str, str] = {
        "Content-Type": FILES[name],
        "Cache-Control": "public, max-age=86400",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    return Response(_read(name), dict(headers), 200)


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
