"""Clicks: the effects of opening a link, pressing a button and typing a code."""

from collections.abc import Callable
from datetime import datetime

from chalice.app import Response

from chalicelib.users import links, tokens
from chalicelib.users.links import Link
from chalicelib.users.people import Click, Validation
from chalicelib.users.store import Users
from chalicelib.web import forms
from chalicelib.web.request import Request
from chalicelib.web.response import Answers


class Clicks:
    """Validates users and takes their refusals. ``users`` returns the store when it is needed."""

    def __init__(self, answers: Answers, users: Callable[[], Users]) -> None:
        self._answers = answers
        self._users = users

    def open(self, request: Request, now: datetime) -> Response:
        """Answer a GET of a link: validate, or show the button that does.

        A mail scanner opens links as well, but brings no ticket and does not ask for JSON by name.
        """
        link, setting = links.read(request.query), self._answers.settings.validate_on_get
        if link and (request.is_probe or setting == "false"):
            return self._answers.confirm(request, link)
        if setting == "true" or request.is_program:
            return self._validate(request, link, now)
        return self._validate(request, link, now, request.tickets or ("",))

    def post(self, request: Request, now: datetime) -> Response:
        """Validate by the parts of a link, or by a code and the ticket of its sign-up."""
        if "code" not in request.fields:
            return self._validate(request, links.read(request.fields), now)
        typed = forms.read_code(request.fields)
        if typed is None or not request.ticket:
            return self._answers.code_refused(request)
        click = Click(Validation.INVALID)
        for ticket in request.tickets:
            ticket_hash = tokens.digest(ticket)
            click = self._users().validate_by_code(
                typed.email, ticket_hash, typed.code, now, sent_from=request.sent_from
            )
            if click.outcome is not Validation.INVALID:
                break
        return self._answers.code_typed(request, Link(typed.email, ""), click)

    def refuse(self, request: Request, now: datetime) -> Response:
        """Take "this was not me" from the owner of the mailbox."""
        # A mailbox's own unsubscribe button names the link in the address alone (RFC 8058). It says
        # "no more mail", and not that a stranger has validated.
        link = links.read(request.fields) or links.read(request.query)
        if link is None:
            return self._answers.link_refused(request)
        click = self._users().refuse(
            link.email, link.token_hash, now, keeps_validation=request.is_one_click
        )
        return self._answers.refused(request, link, click)

    def _validate(
        self,
        request: Request,
        link: Link | None,
        now: datetime,
        tickets: tuple[str | None, ...] = (None,),
    ) -> Response:
        """Validate by a link of the sign-up of any of ``tickets``. Browsers have two at most."""
        if link is None:
            return self._answers.link_refused(request)
        click = Click(Validation.CONFIRM)
        for ticket in tickets:
            ticket_hash = None if ticket is None else tokens.digest(ticket)
            click = self._users().validate(
                link.email, link.token_hash, now, ticket_hash, sent_from=request.sent_from
            )
            if click.outcome is not Validation.CONFIRM:
                break
        return self._answers.clicked(request, link, click)
