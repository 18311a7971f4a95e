"""Sign-up and resend forms: canonical fields, or every problem in them."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib import language_tag, return_urls
from chalicelib.settings import Settings
from chalicelib.users import email_address, links, person_name, tokens
from chalicelib.users.domain_rules import ANYBODY, DomainRules
from chalicelib.users.people import NOTHING, SignUp
from chalicelib.web.body import REPEATED

if TYPE_CHECKING:
    from chalicelib.own_fields import OwnFields

# Every accepted field, and the attribute that stores it.
FIELDS = {
    "email": "email",
    "prenom": "prenom",
    "first_name": "prenom",
    "nom": "nom",
    "last_name": "nom",
    "lang": "lang",
    "return_to": "return_to",
}
_NAMELESS = ("email", "lang", "return_to")
TRAP = "b_remarks"
"""A form field that is not shown. Browsers leave it empty, simple bots fill it in."""
SOLUTION, MOMENT = "altcha", "moment"
"""The fields of a stage with a challenge: the solution, or since when the form has waited."""
MAX_CODE_LENGTH = 32  # six digits, and blanks or hyphens between them
MAX_PROBLEMS = 20  # an answer must not be much longer than its request

_CODE = re.compile("[0-9]{6}")


class Problem(NamedTuple):
    """One error: its ``code``, which names a text, and its ``field`` as the sender spelled it.

    ``limit`` is the greatest length that the text names.
    """

    code: str
    field: str
    limit: int = 0


class Resend(NamedTuple):
    """A request for another link. ``token_hash`` is that of a link that the user has, if any."""

    email: str
    token_hash: str


class TypedCode(NamedTuple):
    """The code that a user typed, and the user's address."""

    email: str
    code: str


class Invalid(ValueError):
    """The fields cannot be used; ``problems`` lists every error."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(", ".join(sorted({problem.code for problem in problems})))
        self.problems = problems


class SignUpForm(NamedTuple):
    """The sign-up form of a stage: the data that a sign-up may send.

    ``names`` is the stage's setting: ``optional``, ``required`` or ``none``. ``return_prefixes``
    are its return addresses, and ``domains`` has the rules for addresses.
    """

    languages: Collection[str]
    names: str = "optional"
    return_prefixes: Collection[str] = ()
    domains: DomainRules = ANYBODY
    own: "OwnFields | None" = None

    @classmethod
    def of(cls, stage: Settings, languages: Collection[str]) -> "SignUpForm":
        """Return the form of a stage that has ``languages``."""
        domains = DomainRules.of(stage)
        return cls(languages, stage.names, stage.return_urls, domains, stage.own_fields)

    def read(
        self,
        fields: Mapping[str, object],
        lang: str,
        *,
        is_form: bool = False,
        sent_from: Mapping[str, str] = NOTHING,
    ) -> SignUp:
        """Return the sign-up in ``fields``, in ``lang`` if they do not name another known language.

        An HTML form may send fields that the stage does not know; JSON may not. ``sent_from`` is
        kept beside a consent. Raise Invalid.
        """
        reader = _Reader(fields)
        if not is_form:
            known = _NAMELESS if self.names == "none" else FIELDS
            reader.refuse_unknown((*known, *self.own.names) if self.own else known)
        email = reader.take("email", email_address.canonical, required=True)
        if email and not self.domains.may_sign_up(email):
            reader.problems.append(Problem("domain_refused", reader.spelled("email")))
        prenom, nom = "", ""
        if self.names != "none":
            prenom, nom = _names(reader, required=self.names == "required")
        chosen = reader.take("lang", lambda text: language_tag.match(text, self.languages))
        return_to = reader.take("return_to", lambda text: _return_to(text, self.return_prefixes))
        own: dict[str, Any] = {}
        if self.own:
            from chalicelib.web import own_form  # only stages with own fields load it

            values, consents = own_form.read(self.own, reader.given, chosen or lang, reader.refuse)
            own = {"fields": values, "consent": consents, "sent_from": sent_from}
        reader.finish()
        return SignUp(email, prenom, nom, chosen or lang, return_to=return_to, **own)


def _names(reader: "_Reader", *, required: bool) -> tuple[str, str]:
    prenom = reader.take("prenom", person_name.clean)
    nom = reader.take("nom", person_name.clean)
    if required and not prenom and not nom and not reader.has_failed({"prenom", "nom"}):
        reader.problems.append(Problem("name_missing", reader.spelled("prenom", "nom")))
    try:
        person_name.whole(prenom, nom)
    except person_name.NameRefused as error:
        reader.problems.append(Problem(error.code, reader.spelled("nom")))
    return prenom, nom


def read_code(fields: Mapping[str, object]) -> TypedCode | None:
    """Return the code in ``fields`` and its user; None if they cannot be from our mail."""
    email, code = fields.get("email"), fields.get("code")
    if not isinstance(email, str) or not isinstance(code, str) or len(code) > MAX_CODE_LENGTH:
        return None
    digits = re.sub(r"[\s-]", "", code)
    try:
        canonical = email_address.canonical(email)
    except email_address.AddressError:
        return None
    return TypedCode(canonical, digits) if _CODE.fullmatch(digits) else None


def read_address(fields: Mapping[str, object], *, is_form: bool = False) -> str:
    """Return the canonical address in ``fields`` for a challenge. Raise Invalid."""
    reader = _Reader(fields)
    if not is_form:
        reader.refuse_unknown(("email", "lang"))
    reader.take("lang", str)
    email = reader.take("email", email_address.canonical, required=True)
    reader.finish()
    return email


def read_resend(fields: Mapping[str, object], *, is_form: bool = False) -> Resend:
    """Return what ``fields`` ask for. Raise Invalid.

    A typed address is made canonical. Beside the ``token`` of an expired link, the address comes
    from that link and is the stored key already. Another program may spell its keys as it likes.
    """
    reader = _Reader(fields)
    if not is_form:
        reader.refuse_unknown(("email", "token", "lang"))
    reader.take("lang", str)
    token = reader.take("token", str)
    email = reader.take(
        "email", links.read_key if token else email_address.canonical, required=True
    )
    reader.finish()
    return Resend(email, tokens.digest(token) if tokens.well_formed(token) else "")


class _Reader:
    """Reads fields one by one and collects every problem."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self.fields = fields
        self.problems: list[Problem] = []
        self._sent: dict[str, dict[str, object]] = {}  # by the attribute that stores them
        for name, value in fields.items():
            if value not in (None, ""):
                self._sent.setdefault(FIELDS.get(name, name), {})[name] = value

    def refuse_unknown(self, known: Collection[str]) -> None:
        unknown = [name for name in self.fields if name not in known]
        self.problems += [Problem("field_unknown", name) for name in unknown]

    def take(self, stored_as: str, clean: Callable[[str], str], *, required: bool = False) -> str:
        """Return the cleaned value, or nothing if it is missing or refused."""
        values = self._sent.get(stored_as, {})
        if len(values) > 1 or REPEATED in values.values():
            self.problems.append(Problem("field_repeated", list(values)[-1]))
            return ""
        for name, value in values.items():
            if not isinstance(value, str):
                self.problems.append(Problem("field_not_text", name))
                return ""
            try:
                cleaned = clean(value)
            except _Refused as error:
                self.problems.append(Problem(error.code, name))
                return ""
            if cleaned:
                return cleaned
        if required:
            self.problems.append(Problem("field_missing", self.spelled(stored_as)))
        return ""

    @property
    def given(self) -> dict[str, object]:
        """Return all fields that are not empty."""
        return {name: value for sent in self._sent.values() for name, value in sent.items()}

    def refuse(self, code: str, field: str, limit: int = 0) -> None:
        """Add a problem of ``field``."""
        self.problems.append(Problem(code, field, limit))

    def spelled(self, *stored_as: str) -> str:
        """Return the name of the first of these fields as its sender spelled it, even if empty."""
        for wanted in stored_as:
            sent = [name for name in self.fields if FIELDS.get(name) == wanted]
            given = [name for name in sent if self.fields[name] not in (None, "")]
            if names := given or sent:
                return names[0]
        return stored_as[0]

    def has_failed(self, stored_as: Collection[str]) -> bool:
        return any(FIELDS.get(problem.field) in stored_as for problem in self.problems)

    def finish(self) -> None:
        if self.problems:
            raise Invalid(tuple(self.problems[:MAX_PROBLEMS]))


class _ReturnRefused(ValueError):
    code = "return_to_refused"


_Refused = (email_address.AddressError, person_name.NameRefused, _ReturnRefused)


def _return_to(text: str, prefixes: Collection[str]) -> str:
    if not return_urls.is_allowed(text, prefixes):
        raise _ReturnRefused
    return text
