"""The inputs of a stage's own fields on its pages.

Only stages with own fields load this module.
"""

from collections.abc import Mapping

from chalicelib.own_fields import CHOICE, CONSENT, OwnField, OwnFields, Texts, digest, pieces
from chalicelib.templates import Html, Templates
from chalicelib.users.field_values import YES


class OwnInputs:
    """Fills the templates of the stage's own fields."""

    def __init__(self, own: OwnFields, templates: Templates) -> None:
        self._own = own
        self._templates = templates

    @property
    def style(self) -> str:
        """The style of these inputs."""
        return self._templates.read("pages/own_fields.css")

    def inputs(self, lang: str, typed: Mapping[str, str], details: Mapping[str, Html]) -> Html:
        """Return all inputs, with the ``typed`` values, and each problem's detail beside its field.

        A consent's box is ticked only if the user ticked it beside this same text.
        """
        visible = (
            self._input(field, lang, typed.get(field.name, ""), details.get(field.name, Html()))
            for field in self._own.fields
        )
        sources = {name: typed.get(name, "") for name in self._own.sources}
        return Html("".join(visible) + self._hidden(lang, sources))

    def hidden(self, lang: str, typed: Mapping[str, str]) -> Html:
        """Return hidden inputs with all ``typed`` values."""
        return self._hidden(lang, {name: typed.get(name, "") for name in self._own.names})

    def is_shown(self, name: str) -> bool:
        """Return True if the page has an input of that name that users see."""
        return self._own.find(name) is not None

    def error_link(self, lang: str, name: str, detail: Html) -> Html:
        """Return a problem in the page's summary, with a link to its field."""
        field = self._own.find(name)
        label = field.label.best(lang)[1] if field else name
        plain = "".join(text for text, _ in pieces(label))
        return self._fill("error_link", lang, name=name, label=plain, detail=detail)

    def _input(self, field: OwnField, lang: str, value: str, detail: Html) -> Html:
        hint: str = Html()
        if field.hint:
            hint = self._fill("hint", lang, name=field.name, text=self._rich(field.hint, lang))
        error: str = Html()
        if detail:
            error = self._fill("error", lang, name=field.name, detail=detail)
        shared = {
            "name": field.name,
            "label": self._rich(field.label, lang),
            "hint": hint,
            "error": error,
            "optional": self._optional(field, lang),
        }
        attributes = _attributes(field, has_error=bool(detail))
        if field.is_box:
            ticked = value in YES
            sent = "true"
            if field.type == CONSENT:
                sent = digest(field.shown(lang)[1])
                ticked = value == sent
            attributes += " checked" * ticked
            return self._fill("box", lang, value=sent, attributes=Html(attributes), **shared)
        if field.type == CHOICE:
            options = Html("".join(self._options(field, lang, value)))
            return self._fill(
                "choice", lang, options=options, attributes=Html(attributes), **shared
            )
        if field.autocomplete:
            attributes += f' autocomplete="{field.autocomplete}"'
        return self._fill("text", lang, value=value, attributes=Html(attributes), **shared)

    def _options(self, field: OwnField, lang: str, chosen: str) -> list[Html]:
        return [
            self._fill(
                "option",
                lang,
                value=value,
                label=texts.best(lang)[1],
                selected=Html("selected" if value == chosen else ""),
            )
            for value, texts in field.choices.items()
        ]

    def _optional(self, field: OwnField, lang: str) -> Html:
        if field.is_required:
            return Html()
        mark = self._templates.word_html("field_optional", lang)
        return Html(f' <span class="hint">{mark}</span>')

    def _rich(self, texts: Texts, lang: str) -> Html:
        """Return a label or hint as markup: with its links, and marked if in another language."""
        tag, text = texts.best(lang)
        markup = Html(
            "".join(
                self._fill("link", lang, href=href, text=piece).strip()
                if href
                else Html.escaped(piece)
                for piece, href in pieces(text)
            )
        )
        if tag.partition("-")[0] == lang.partition("-")[0]:
            return markup
        return Html(f'<span lang="{tag}" dir="auto">{markup}</span>')

    def _hidden(self, lang: str, values: Mapping[str, str]) -> Html:
        return Html(
            "".join(
                self._fill("hidden", lang, name=name, value=value)
                for name, value in values.items()
                if value
            )
        )

    def _fill(self, template: str, lang: str, /, **values: str) -> Html:
        return self._templates.html(f"pages/own_{template}.html", lang, **values)


def _attributes(field: OwnField, *, has_error: bool) -> str:
    ids = [f"own-{field.name}-error"] * has_error + [f"own-{field.name}-hint"] * bool(field.hint)
    attributes = [
        'aria-required="true"' if field.is_required else "",
        'aria-invalid="true"' if has_error else "",
        f'aria-describedby="{" ".join(ids)}"' if ids else "",
    ]
    return " ".join(filter(None, attributes))
