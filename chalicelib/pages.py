"""The pages: templates filled with the words of a language. Who asks for them is not known here."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from urllib.parse import urlsplit

from chalicelib import templates
from chalicelib.links import Link
from chalicelib.sign_up import FIELDS, Problem
from chalicelib.templates import Html

TYPED = ("email", "prenom", "nom")
"""The fields that the sign-up page shows."""


@dataclass(frozen=True)
class Pages:
    """The pages of a stage, in any of its languages. ``base_url`` is where all their links lead."""

    base_url: str

    def sign_up(
        self, lang: str, typed: Mapping[str, str], problems: Iterable[Problem] = ()
    ) -> Html:
        """The form, with what was typed kept and each problem beside its field."""
        texts = templates.texts(lang)
        beside: dict[str, str] = {}
        items = []
        for problem in problems:
            field = FIELDS.get(problem.field, problem.field)
            detail = texts[f"problem_{problem.code}_detail"]
            if field in TYPED:
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
            "sign_up", lang, title=title, errors=summary, action=f"{self.base_url}/users", **values
        )

    def sent(self, lang: str, email: str) -> Html:
        """Look into your mailbox; or send it again, or mend the address."""
        return self._page("sent", lang, email=email)

    def link(self, name: str, lang: str, link: Link) -> Html:
        """The page ``name`` behind a link: confirm, validated, already_validated or expired."""
        return self._page(
            name,
            lang,
            here=link.url(self.base_url) + "&",
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

    def security_policy(self) -> str:
        """The pages' Content-Security-Policy: our one style, forms to ourselves, nothing else."""
        digest = b64encode(sha256(templates.read("pages/style.css").encode()).digest()).decode()
        base = urlsplit(self.base_url)
        return (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            f"form-action {base.scheme}://{base.netloc}; base-uri 'none'; frame-ancestors 'none'"
        )

    def _page(
        self, name: str, lang: str, *, title: str = "", here: str = "", **values: str
    ) -> Html:
        """A whole page. ``here`` is its address up to ``lang=``, the sign-up page's by default."""
        texts = templates.texts(lang)
        title = title or texts[f"{name}_title"]
        here = here or f"{self.base_url}/?"
        main = _fill(
            name,
            lang,
            title=title,
            sign_up_url=f"{self.base_url}/?lang={lang}",
            resend_action=f"{self.base_url}/resend",
            form_lang=lang,
            **values,
        )
        switches = [
            _fill("language", lang, href=f"{here}lang={other}", other=other, label=label)
            for other, label in _other_languages(lang)
        ]
        return _fill(
            "layout",
            lang,
            title=title,
            style=Html(templates.read("pages/style.css")),
            main=main,
            languages=Html("".join(switches)),
        )


def _fill(name: str, lang: str, **values: str) -> Html:
    return templates.fill_html(
        f"pages/{name}.html", **{**templates.texts(lang), "lang": lang, **values}
    )


@cache
def _other_languages(lang: str) -> list[tuple[str, str]]:
    """Every other language's tag and what it calls itself."""
    others = sorted(templates.languages() - {lang})
    return [(other, templates.texts(other)["language_name"]) for other in others]
