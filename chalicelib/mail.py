"""Composing the welcome mail: a user and a link made into a subject, a text and an HTML part."""

from collections.abc import Collection
from dataclasses import dataclass

from chalicelib import address, names, templates
from chalicelib.links import Link
from chalicelib.users import User


@dataclass(frozen=True)
class Mail:
    """A mail ready to be sent to one deliverable address."""

    to: str
    subject: str
    text: str
    html: str


def compose(
    user: User, token: str, *, base_url: str, default_lang: str, languages: Collection[str]
) -> Mail:
    """The welcome mail of ``user``, in their language, or the stage's where they have none.

    Another writer may have put any name into the table, so one that is no name is left out of the
    greeting. Raises address.AddressError if nothing can be delivered to the user's key.
    """
    folder = f"mail/{user.lang if user.lang in languages else default_lang}"
    full_name = " ".join(filter(None, (names.safe(user.prenom), names.safe(user.nom))))
    values = {
        "name": f" {full_name}" if full_name else "",
        "link": Link(user.email, token).url(base_url),
    }
    return Mail(
        to=address.deliverable(user.email),
        subject=templates.fill_text(f"{folder}/subject.txt", **values).strip(),
        text=templates.fill_text(f"{folder}/body.txt", **values),
        html=templates.fill_html(f"{folder}/body.html", **values),
    )
