"""The pages: templates filled with the words of a language. Who asks for them is not known here."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from urllib.parse import urlsplit

from chalicelib import colours, templates
from chalicelib.settings import UNBRANDED, Brand
from chalicelib.templates import Html
from chalicelib.users.links import Link
from chalicelib.web.forms import FIELDS, TRAP, Problem

TYPED = ("email", "prenom", "nom")
"""The fields that the sign-up page shows."""


@dataclass(frozen=True)
class Pages:
    """The pages of a stage, in any of its languages. ``base_url`` is where all their links lead,
    ``after_validation_url`` where a form may be sent on to, if anywhere."""

    base_url: str
    brand: Brand = UNBRANDED
    after_validation_url: str = ""

    def sign_up(
        self, lang: str, typed: Mapping[str, str], problems: Iterable[Problem] = ()
    ) -> Html:
        """The form, with what was typed kept and each problem beside its field."""
        texts = templates.texts(lang)
        beside: dict[str, str] = {}
        items = []
        trap = _fill("trap", lang, trap=TRAP)
        for problem in problems:
            field = FIELDS.get(problem.field, problem.field)
            detail = texts[f"problem_{problem.code}_detail"]
            if field == TRAP:
                trap = Html()  # so that the next try of a trapped person succeeds
                items.append(_fill("error_text", lang, detail=detail))
            elif field in TYPED:
                beside.setdefault(field, detail)
                label = texts[f"{field}_label"]
                items.append(_fill("error_link", lang, field=field, label=label, detail=detail))
            else:
                items.append(_fill("error_item", lang, field=problem.field[:64], detail=detail))
        values: dict[str, str] = {field: typed.get(field, "") for field in TYPED}
        for field in TYPED:
            wrong = {"field": field, "detail": beside.get(field, "")}
            shown = field in beside
            values[f"{field}_error"] = _fill("field_error", lang, **wrong) if shown else Html()
            values[f"{field}_invalid"] = (
                Html(f'aria-invalid="true" aria-describedby="{field}-error"') if shown else Html()
            )
        summary = _fill("error_summary", lang, items=Html("".join(items))) if items else Html()
        # Who listens to the page hears its title first.
        title = f"{texts['error_prefix']} {texts['sign_up_title']}" if items else ""
        return self._page(
            "sign_up",
            lang,
            title=title,
            typed=typed if any(typed.values()) else None,
            errors=summary,
            trap=trap,
            action=f"{self.base_url}/users",
            **values,
        )

    def sent(self, lang: str, email: str, typed: Mapping[str, str]) -> Html:
        """Look into your mailbox; or send it again, or mend what was typed."""
        return self._page("sent", lang, typed=typed, email=email)

    def link(self, name: str, lang: str, link: Link, in_other_languages: bool = True) -> Html:
        """The page ``name`` behind a link: confirm, validated, already_validated or expired."""
        return self._page(
            name,
            lang,
            here=link.url(self.base_url) + "&" if in_other_languages else None,
            action=f"{self.base_url}/validate",
            email=link.email,
            token=link.token,
        )

    def refused(self, lang: str) -> Html:
        """A link that is not somebody's."""
        return self._page("refused", lang)

    def problem(self, lang: str, code: str) -> Html:
        """What went wrong, where no other page says so."""
        texts = templates.texts(lang)
        title = texts[f"problem_{code}_title"]
        return self._page("problem", lang, title=title, detail=texts[f"problem_{code}_detail"])

    @cached_property
    def security_policy(self) -> str:
        """The pages' Content-Security-Policy: our one style, forms to ourselves, nothing else."""
        digest = b64encode(sha256(self._style.encode()).digest()).decode()
        images = f"img-src {_origin(self.brand.logo_url)}; " if self.brand.logo_url else ""
        forms = [_origin(self.base_url)]
        if self.after_validation_url:  # browsers hold the answer's redirect against this, too
            forms.append(_origin(self.after_validation_url))
        return (
            f"default-src 'none'; style-src 'sha256-{digest}'; {images}"
            f"form-action {' '.join(forms)}; base-uri 'none'; frame-ancestors 'none'"
        )

    @cached_property
    def _style(self) -> Html:
        accent = templates.fill_text("pages/accent.css", **colours.shades(self.brand.accent))
        return Html(templates.read("pages/style.css") + accent)

    def _page(
        self,
        name: str,
        lang: str,
        *,
        title: str = "",
        here: str | None = "",
        typed: Mapping[str, str] | None = None,
        **values: str,
    ) -> Html:
        """A whole page. Who chooses another language comes to ``here``, an address up to ``lang=``,
        or with what they ``typed`` to the sign-up page, which is also the default. None: no choice.
        """
        texts = templates.texts(lang)
        title = title or texts[f"{name}_title"]
        main = _fill(
            name,
            lang,
            title=title,
            product=self.brand.product,
            sign_up_url=f"{self.base_url}/?lang={lang}",
            resend_action=f"{self.base_url}/resend",
            form_lang=lang,
            **values,
        )
        return _fill(
            "layout",
            lang,
            title=title,
            style=self._style,
            main=main,
            languages=(
                Html()
                if here is None
                else self._languages(lang, here or f"{self.base_url}/?", typed)
            ),
            **self._brand(lang),
        )

    def _brand(self, lang: str) -> dict[str, str]:
        brand = self.brand
        mark, support = brand.product, Html()
        if brand.logo_url:
            mark = _fill("logo", lang, logo_url=brand.logo_url, product=brand.product)
        if brand.support_address:
            support = _fill(
                "support",
                lang,
                support_url=brand.support_url,
                support_address=brand.support_address,
            )
        return {"product": brand.product, "product_mark": mark, "support": support}

    def _languages(self, lang: str, here: str, typed: Mapping[str, str] | None) -> Html:
        """Ways to every other language. What was typed goes by a form: no address is in a URL."""
        others = [
            (other, templates.texts(other)["language_name"])
            for other in sorted(templates.languages() - {lang})
        ]
        if typed is None:
            links = [
                _fill("language", lang, href=f"{here}lang={other}", other=other, label=label)
                for other, label in others
            ]
            return Html("".join(links))
        buttons = [
            _fill("language_button", lang, other=other, label=label) for other, label in others
        ]
        return _fill(
            "language_form",
            lang,
            sign_up_action=f"{self.base_url}/",
            buttons=Html("".join(buttons)),
            **{f"typed_{field}": typed.get(field, "") for field in TYPED},
        )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _fill(name: str, lang: str, **values: str) -> Html:
    return templates.fill_html(
        f"pages/{name}.html", **{**templates.texts(lang), "lang": lang, **values}
    )
