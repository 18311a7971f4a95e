"""The pages of a stage: templates filled with the words of a language."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from chalicelib import colours, return_urls
from chalicelib.settings import UNBRANDED, Brand
from chalicelib.templates import Html, Templates
from chalicelib.users import email_address
from chalicelib.users.domain_rules import ANYBODY, DomainRules
from chalicelib.users.links import Link
from chalicelib.web import webmail
from chalicelib.web.forms import FIELDS, SOLUTION, TRAP, Problem

if TYPE_CHECKING:
    from chalicelib.own_fields import OwnFields
    from chalicelib.web.own_inputs import OwnInputs

TYPED = ("email", "prenom", "nom")
"""The fields that every sign-up page shows."""

NOTHING = Html()

_FOR_PROGRAMS = (
    "body_malformed",
    "body_too_large",
    "content_type_unsupported",
    "method_not_allowed",
)
"""Problems that only a program can fix. Pages show ``page_problem_detail`` instead."""


@dataclass(frozen=True)
class Pages:
    """The pages of a stage, in any of its languages.

    ``base_url`` is the start of all their links. ``after_validation_url`` is where a form may send
    users on. With ``refusable``, the button page also offers "this was not me".
    ``names`` says if names are ``optional``, ``required`` or not asked for (``none``).
    ``return_places`` are origins and app schemes that a form may lead to. ``own`` are the stage's
    own fields, and ``domains`` says which addresses may be suggested.
    """

    base_url: str
    templates: Templates
    brand: Brand = UNBRANDED
    after_validation_url: str = ""
    refusable: bool = False
    domains: DomainRules = ANYBODY
    names: str = "optional"
    return_places: tuple[str, ...] = ()
    own: "OwnFields | None" = None

    @property
    def typed_names(self) -> tuple[str, ...]:
        """The names of all fields of the sign-up page."""
        return (*TYPED, *self.own.names) if self.own else TYPED

    def sign_up(
        self,
        lang: str,
        typed: Mapping[str, str],
        problems: Iterable[Problem] = (),
        challenge: Html = NOTHING,
    ) -> Html:
        """Return the form with the typed values, and each problem beside its field.

        ``challenge`` is the form's part for a proof of work, if the stage asks for one.
        """
        beside: dict[str, Html] = {}
        items = []
        trap = self._fill("trap", lang, trap=TRAP)
        for problem in problems:
            field = FIELDS.get(problem.field, problem.field)
            name = f"problem_{problem.code}_detail"
            detail = self.templates.word_html(name, lang, limit=str(problem.limit))
            if field == TRAP:
                trap = Html()  # so that the next try of a trapped user succeeds
                items.append(self._fill("error_text", lang, detail=detail))
            elif field == SOLUTION:
                detail = self._word("page_challenge_detail", lang)
                items.append(self._fill("error_text", lang, detail=detail))
            elif field in TYPED:
                beside.setdefault(field, detail)
                items.append(self._error_link(lang, field, detail))
            elif self._own and self._own.is_shown(field):
                beside.setdefault(field, detail)
                items.append(self._own.error_link(lang, field, detail))
            else:
                items.append(
                    self._fill("error_item", lang, field=problem.field[:64], detail=detail)
                )
        values: dict[str, str] = {field: typed.get(field, "") for field in TYPED}
        for field in TYPED:
            values.update(self._beside(lang, field, beside.get(field, Html())))
        hint = "names_hint" if self.names == "required" else "names_hint_optional"
        names: str = Html()
        if self.names != "none":
            names = self._fill("names", lang, hint=self._word(hint, lang), **values)
        return self._page(
            "sign_up",
            lang,
            title=self._title("sign_up", lang, failed=bool(items)),
            here=self._here(typed),
            typed=typed if any(typed.get(name) for name in self._seen_names) else None,
            errors=self._summary(lang, items),
            names=names,
            own_fields=self._own.inputs(lang, typed, beside) if self._own else Html(),
            trap=trap,
            challenge=challenge,
            action=f"{self.base_url}/users",
            **values,
        )

    def challenge(self, lang: str, moment: str, return_to: str) -> Html:
        """Return the form's part for a proof of work.

        ``moment`` is since when it has waited; empty if it has not been sent yet. ``return_to`` is
        where a form of another page wanted its answer.
        """
        back = self._fill("return_to", lang, return_to=return_to) if return_to else Html()
        url = self._url("challenge")
        return self._fill("challenge", lang, moment=moment, return_to=back, challenge_url=url)

    def sent(
        self,
        lang: str,
        email: str,
        typed: Mapping[str, str],
        *,
        again: bool = False,
        takes_code: bool = False,
        code_failed: bool = False,
    ) -> Html:
        """Return the page that waits for the mail to be read.

        ``again`` is True if the user requested another mail. With ``takes_code`` the page has a
        field for the code from the mail. ``code_failed`` is True if the last code does not work.
        """
        name = "resent" if again else "sent"
        typed = {**typed, "email": typed.get("email") or email}
        kept = self._kept(lang, typed)
        detail = self._word("problem_code_invalid_detail", lang) if code_failed else Html()
        links = [self._error_link(lang, "code", detail)] if code_failed else []
        form: str = Html()
        if takes_code or code_failed:
            beside = self._beside(lang, "code", detail, hint="code-hint")
            action = self._url("validate")
            form = self._fill(
                "code_form", lang, email=email, validate_action=action, **kept, **beside
            )
        return self._page(
            "sent",
            lang,
            heading=self._word(f"{name}_title", lang),
            title=self._title(name, lang, failed=code_failed),
            typed=typed,
            show="sent",
            email=email,
            body=self._word(f"{name}_body", lang),
            webmail=self._webmail(lang, email),
            did_you_mean=self._did_you_mean(lang, email, kept),
            code_form=form,
            errors=self._summary(lang, links),
            sign_up_action=f"{self.base_url}/",
            **kept,
        )

    def link(self, name: str, lang: str, link: Link, in_other_languages: bool = True) -> Html:
        """Return the page ``name`` of a link: confirm, validated, already_validated or expired."""
        not_me: str = Html()
        if name == "confirm" and self.refusable:
            not_me = self._fill("not_me", lang, refuse_url=link.url_on(self._url("refuse")))
        return self._page(
            name,
            lang,
            here=link.url(self.base_url) + "&" if in_other_languages else None,
            validate_action=self._url("validate"),
            email=email_address.without_additions(link.email),
            key=link.address,
            token=link.token,
            not_me_link=not_me,
            continue_part=self._continue(lang),
        )

    def refuse(self, lang: str, link: Link) -> Html:
        """Return the page with the button that says "this was not me"."""
        action = self._url("refuse")
        here = link.url_on(action) + "&"
        return self._page(
            "refuse",
            lang,
            here=here,
            refuse_action=action,
            email=email_address.without_additions(link.email),
            key=link.address,
            token=link.token,
        )

    def refuse_done(self, lang: str) -> Html:
        """Return the page after that button: no more mail will be sent."""
        return self._page("refuse_done", lang, here=None)

    def refused(self, lang: str) -> Html:
        """Return the page for a link that does not work."""
        return self._page("refused", lang)

    def problem(self, lang: str, code: str) -> Html:
        """Return the page that says what went wrong, where no other page does."""
        name = "page_problem" if code in _FOR_PROGRAMS else f"problem_{code}"
        return self._page(
            "problem",
            lang,
            heading=self._word(f"{name}_title", lang),
            detail=self._word(f"{name}_detail", lang),
        )

    @cached_property
    def security_policy(self) -> str:
        """The pages' Content-Security-Policy: our one style, forms to ourselves, nothing else."""
        digest = b64encode(sha256(self._style.encode()).digest()).decode()
        images = ["data:"]  # the icon
        if self.brand.logo_url:
            images.append(return_urls.origin(self.brand.logo_url))
        forms = [return_urls.origin(self.base_url)]
        if self.after_validation_url:  # browsers also check the answer's redirect against this
            forms.append(return_urls.origin(self.after_validation_url))
        forms += self.return_places
        return (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src {' '.join(images)}; "
            f"form-action {' '.join(forms)}; base-uri 'none'; frame-ancestors 'none'"
        )

    @cached_property
    def scripted_policy(self) -> str:
        """The same for a form with a challenge: its scripts, by their addresses."""
        url = self._url("challenge")
        return (
            f"{self.security_policy}; script-src {url}/altcha.js {url}/form.js; "
            f"worker-src {url}/worker.js; connect-src {url}"
        )

    @cached_property
    def _own(self) -> "OwnInputs | None":
        if not self.own:
            return None
        from chalicelib.web.own_inputs import OwnInputs  # only stages with own fields load it

        return OwnInputs(self.own, self.templates)

    @property
    def _seen_names(self) -> tuple[str, ...]:
        """The names of the fields that users see."""
        return (*TYPED, *(field.name for field in self.own.fields)) if self.own else TYPED

    def _kept(self, lang: str, typed: Mapping[str, str]) -> dict[str, str]:
        """Return the typed values that the forms of a page carry."""
        kept: dict[str, str] = {f"typed_{field}": typed.get(field, "") for field in TYPED}
        return {**kept, "typed_own": self._own.hidden(lang, typed) if self._own else Html()}

    def _here(self, typed: Mapping[str, str]) -> str:
        """Return the sign-up page's address for other languages, with the hidden sources."""
        sources = self.own.sources if self.own else ()
        query = urlencode({name: typed[name] for name in sources if typed.get(name)})
        return f"{self.base_url}/?{query}&" if query else ""

    @cached_property
    def _shades(self) -> Mapping[str, str]:
        return colours.shades(self.brand.accent)

    @cached_property
    def _style(self) -> Html:
        accent = self.templates.text("pages/accent.css", "", **self._shades)
        own = self._own.style if self._own else ""
        style = _without_comments(self.templates.read("pages/style.css") + own + accent)
        return Html("".join(map(str.strip, style.splitlines())))

    @cached_property
    def icon(self) -> str:
        """The picture of tabs and bookmarks, as SVG."""
        return self.templates.text("pages/icon.svg", "", **self._shades).strip()

    def _url(self, path: str) -> str:
        return f"{self.base_url}/{path}"

    def _fill(self, name: str, lang: str, **values: str) -> Html:
        return self.templates.html(f"pages/{name}.html", lang, **values)

    def _word(self, name: str, lang: str) -> Html:
        return self.templates.word_html(name, lang, product=self.brand.product)

    def _title(self, name: str, lang: str, *, failed: bool = False) -> Html:
        """Return the title of a page. A screen reader reads it first, so it says "Error"."""
        title = self._word(f"{name}_title", lang)
        return Html(f"{self._word('error_prefix', lang)} {title}") if failed else title

    def _error_link(self, lang: str, field: str, detail: Html) -> Html:
        label = self._word(f"{field}_label", lang)
        return self._fill("error_link", lang, field=field, label=label, detail=detail)

    def _summary(self, lang: str, items: list[Html]) -> Html:
        return self._fill("error_summary", lang, items=Html("".join(items))) if items else Html()

    def _beside(self, lang: str, field: str, detail: Html, hint: str = "") -> dict[str, str]:
        """Return what a field of a form shows for its problem ``detail``, if it has one."""
        ids = " ".join(filter(None, (f"{field}-error" if detail else "", hint)))
        invalid = 'aria-invalid="true"' if detail else ""
        described = f'aria-describedby="{ids}"' if ids else ""
        error = self._fill("field_error", lang, field=field, detail=detail) if detail else Html()
        return {
            f"{field}_error": error,
            f"{field}_invalid": Html(f"{invalid} {described}".strip()),
        }

    def _did_you_mean(self, lang: str, email: str, kept: Mapping[str, str]) -> Html:
        """Return a link to fix an address whose domain has a typo; empty if it has none."""
        meant = self.domains.suggest(email)
        if not meant:
            return Html()
        action = f"{self.base_url}/"
        marked = Html(f'<bdi dir="ltr">{Html.escaped(meant)}</bdi>')
        question = self.templates.word_html("sent_did_you_mean", lang, meant=marked)
        filled = {**kept, "typed_email": meant, "question": question, "sign_up_action": action}
        return self._fill("did_you_mean", lang, **filled)

    def _webmail(self, lang: str, email: str) -> Html:
        if not (page := webmail.find(email)):
            return Html()
        name, href = page
        return self._fill("webmail", lang, webmail=name, href=href)

    def _continue(self, lang: str) -> Html:
        if not self.brand.continue_url:
            return Html()
        values = {"continue_url": self.brand.continue_url, "product": self.brand.product}
        return self._fill("continue", lang, **values)

    def _page(
        self,
        name: str,
        lang: str,
        *,
        heading: str = "",
        title: str = "",
        here: str | None = "",
        typed: Mapping[str, str] | None = None,
        show: str = "",
        **values: str,
    ) -> Html:
        """Return a whole page.

        A reader who chooses another language gets ``here``, an address up to ``lang=``. By default
        that is the sign-up page, or the page that ``show`` names, filled in with what they
        ``typed``. None: no choice.
        """
        heading = heading or self._word(f"{name}_title", lang)
        main = self._fill(
            name,
            lang,
            title=heading,
            product=self.brand.product,
            sign_up_url=f"{self.base_url}/?lang={lang}",
            resend_action=self._url("resend"),
            **values,
        )
        return self._fill(
            "layout",
            lang,
            title=title or heading,
            style=self._style,
            icon=quote(self.icon),
            main=main,
            languages=(
                Html()
                if here is None
                else self._languages(lang, here or f"{self.base_url}/?", typed, show)
            ),
            product=self.brand.product,
            product_mark=self._product_mark(lang),
            footer=self._footer(lang),
            **self._shades,
        )

    def _product_mark(self, lang: str) -> str:
        brand = self.brand
        if not brand.logo_url:
            return brand.product
        return self._fill("logo", lang, logo_url=brand.logo_url, product=brand.product)

    def _footer(self, lang: str) -> Html:
        brand = self.brand
        items = []
        if address := brand.support_address:
            support = {"support_url": brand.support_url, "support_address": address}
            items.append(self._fill("support", lang, **support))
        for name, href in (("privacy", brand.privacy_url), ("terms", brand.terms_url)):
            if href:
                label = self._word(f"{name}_link", lang)
                items.append(self._fill("footer_link", lang, href=href, label=label))
        return self._fill("footer", lang, items=Html("".join(items))) if items else Html()

    def _languages(self, lang: str, here: str, typed: Mapping[str, str] | None, show: str) -> Html:
        """Return links to the other languages. Typed values go in a form, never in a URL."""
        names = self.templates.language_names
        others = [(other, label) for other, label in names.items() if other != lang]
        if not others:
            return Html()
        if typed is None:
            items = [
                self._fill("language", lang, href=f"{here}lang={other}", other=other, label=label)
                for other, label in others
            ]
            choices = self._fill("language_links", lang, items=Html("".join(items)))
        else:
            items = [
                self._fill("language_button", lang, other=other, label=label)
                for other, label in others
            ]
            choices = self._fill(
                "language_form",
                lang,
                sign_up_action=f"{self.base_url}/",
                items=Html("".join(items)),
                show=show,
                **self._kept(lang, typed),
            )
        return self._fill("languages", lang, choices=choices)


def _without_comments(css: str) -> str:
    first, *others = css.split("/*")
    return first + "".join(other.partition("*/")[2] for other in others)
