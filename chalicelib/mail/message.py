"""Composing the welcome mail: a user and a link made into a subject, a text and an HTML part."""

from collections.abc import Collection
from dataclasses import dataclass

from chalicelib import colours, templates
from chalicelib.settings import UNBRANDED, Brand
from chalicelib.templates import Html
from chalicelib.users import email_address, person_name
from chalicelib.users.links import Link
from chalicelib.users.people import User


@dataclass(frozen=True)
class Mail:
    """A mail ready to be sent to one deliverable address."""

    to: str
    subject: str
    text: str
    html: str


def compose(
    user: User,
    token: str,
    *,
    base_url: str,
    default_lang: str,
    languages: Collection[str],
    brand: Brand = UNBRANDED,
) -> Mail:
    """The welcome mail of ``user``, in their language, or the stage's where they have none.

    Another writer may have put any name into the table, so what is no name is left out of the
    greeting. Raises address.AddressError if nothing can be delivered to the user's key.
    """
    lang = user.lang if user.lang in languages else default_lang
    full_name = _greeted(user)
    values = {
        **colours.shades(brand.accent),
        "name": f" {full_name}" if full_name else "",
        "link": Link(user.email, token).url(base_url),
        "product": brand.product,
        "logo_url": brand.logo_url,
        "support_label": templates.texts(lang)["support_label"],
        "support_address": brand.support_address,
        "support_url": brand.support_url,
    }
    in_text = {**values, "support": ""}
    in_html = {**values, "logo": Html(), "support": Html()}
    if brand.support_address:
        in_text["support"] = templates.fill_text("mail/support.txt", **values)
        in_html["support"] = templates.fill_html("mail/support.html", **values)
    if brand.logo_url:
        in_html["logo"] = templates.fill_html("mail/logo.html", **values)
    return Mail(
        to=email_address.deliverable(user.email),
        subject=templates.fill_text(f"mail/{lang}/subject.txt", **values).strip(),
        text=templates.fill_text(f"mail/{lang}/body.txt", **in_text).strip() + "\n",
        html=templates.fill_html(f"mail/{lang}/body.html", **in_html),
    )


def _greeted(user: User) -> str:
    try:
        return person_name.whole(person_name.safe(user.prenom), person_name.safe(user.nom))
    except person_name.NameRefused:
        return ""
