"""The mails: the subject, text and HTML for a user and a link."""

from typing import NamedTuple

from chalicelib import colours, language_tag
from chalicelib.settings import UNBRANDED, Brand
from chalicelib.templates import Html, Templates
from chalicelib.users import email_address, person_name
from chalicelib.users.links import Link
from chalicelib.users.people import MailKind, User


class Mail(NamedTuple):
    """A mail that is ready to send to one deliverable address."""

    to: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str = ""
    """The address for the mailbox's own unsubscribe button. Empty: the mail has no such header."""
    key: str = ""
    """The user's key, if ``to`` does not lead to it: another program's, with additions."""


def compose(
    user: User,
    token: str,
    code: str = "",
    kind: MailKind = MailKind.LINK,
    *,
    templates: Templates,
    base_url: str,
    default_lang: str,
    brand: Brand = UNBRANDED,
    refuse_url: str = "",
    has_one_click: bool = False,
) -> Mail:
    """Compose the mail of ``kind`` for ``user``: a link to confirm their address, or a welcome.

    The mail is in the user's language, or in ``default_lang`` if there are no words for theirs.
    Users may type ``code`` instead of opening the link; empty, there is none. ``refuse_url`` is
    the page for "this was not me"; empty, the mail does not offer it. With ``has_one_click`` the
    mailbox's own unsubscribe button posts to that page, too. A name that another program
    put and that is none is left out. Raises AddressError if no mail can reach the user's key.
    """
    lang = language_tag.match(user.lang, templates.languages) or default_lang
    link = Link(user.email, token)
    name = _find_name(user)
    greeting = "mail_greeting" if name else "mail_greeting_no_name"
    said = {"name": name, "product": brand.product, "code": code}
    is_welcome = kind is MailKind.WELCOME
    href = brand.continue_url if is_welcome else link.url(base_url)
    label = "continue_button" if is_welcome else "mail_button"
    values = {
        **colours.shades(brand.accent),
        **said,
        "greeting": templates.word(greeting, lang, **said),
        "label": templates.word(label, lang, **said),
        "href": href,
        "link": href,
        "refuse_link": link.url_on(refuse_url) if refuse_url else "",
        "logo_url": brand.logo_url,
        "support_address": brand.support_address,
        "support_url": brand.support_url,
    }
    words = _WORDS[kind]
    subject = templates.word(f"{words}_subject", lang, **values)
    life = "mail_life_code" if code else "mail_life"
    parts = {
        "button_part": "mail/button" if href else "",
        "code_part": "mail/code" if code else "",
        "refuse_part": "mail/refuse" if refuse_url else "",
        "support_part": "mail/support" if brand.support_address else "",
    }
    in_text = {**values, "life": templates.word(life, lang)}
    for part, file in parts.items():
        in_text[part] = templates.text(f"{file}.txt", lang, **values) if file else ""

    preheader = f"{words}_preheader_code" if code else f"{words}_preheader"
    markup = {key: Html.escaped(value) for key, value in values.items()}
    # Isolate the direction of the name. Gmail drops <bdi>, not dir: caniemail.com/features/html-dir
    marked = {**markup, "name": Html(f'<span dir="auto">{markup["name"]}</span>')}
    in_html = {
        **markup,
        "subject": Html.escaped(subject),
        "greeting": templates.word_html(greeting, lang, **marked),
        "label": templates.word_html(label, lang, **markup),
        "preheader": templates.word_html(preheader, lang, **markup),
        "life": templates.word_html(life, lang),
        "product_mark": markup["product"],
    }
    if brand.logo_url:
        in_html["product_mark"] = templates.html("mail/logo.html", lang, **markup)
    parts["copy_part"] = "mail/copy"
    for part, file in parts.items():
        in_html[part] = templates.html(f"{file}.html", lang, **in_html) if file else Html()
    in_html["content"] = templates.html(f"mail/{kind.value}.html", lang, **in_html)
    to = email_address.deliverable(user.email)
    return Mail(
        to=to,
        key="" if user.email in email_address.keys(to) else user.email,
        subject=subject,
        text=templates.text(f"mail/{kind.value}.txt", lang, **in_text).strip() + "\n",
        html=templates.html("mail/layout.html", lang, **in_html),
        unsubscribe_url=values["refuse_link"] if has_one_click and not is_welcome else "",
    )


_WORDS = {MailKind.LINK: "mail", MailKind.REMINDER: "reminder", MailKind.WELCOME: "welcome"}
"""The start of the names of a mail's words."""


def _find_name(user: User) -> str:
    """Return the name to greet ``user`` by. Nothing if the item holds none that fits a subject."""
    try:
        name = person_name.whole(person_name.safe(user.prenom), person_name.safe(user.nom))
    except person_name.NameRefused:
        return ""
    return name if person_name.fits_subject(name) else ""
