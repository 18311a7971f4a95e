"""The console's pages: plain HTML, which works without a script."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from html import escape

from ops.users import acts, answers, person, timeline
from ops.users.person import Plain
from ops.users.timeline import Entry

NO_LONGER = "That is no longer possible: the user has changed meanwhile."

_BUTTONS = {
    acts.RESEND: "Send another mail",
    answers.RESEND_ALL_THE_SAME: "Send another mail anyway",
    acts.VALIDATE: "Validate by hand",
    acts.REFUSE: "Send no more mail …",
    acts.ALLOW: "Allow mail again",
    acts.DELETE: "Delete …",
}
_QUESTIONS = {
    acts.REFUSE: "Send no more mail",
    acts.DELETE: "Delete for good",
}
"""The acts that a page of its own asks about, and what its button says."""
_EXPLAINED = {
    acts.REFUSE: "The data of the sign-up is erased, and later sign-ups send no mail. You can "
    "allow mail again.",
    acts.DELETE: "All data of this user is deleted. You cannot undo this. The address "
    "may sign up again.",
}
_STATES = {
    "pending": "waits for the click",
    "validated": "validated",
    "failed": "mail failed",
    "bounced": "bounced",
    "complained": "marked as spam",
    "refused": "refused",
}


_SHOWN_ABOVE = ("state", "name", "next")


@dataclass(frozen=True)
class Notice:
    """The result of an act, which the next page shows once."""

    words: str
    is_done: bool


@dataclass(frozen=True)
class Frame:
    """The parts of every page: the base of its links, the stage, the forms' token, the search."""

    root: str
    stage: str
    token: str
    text: str = ""

    def start(self) -> str:
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Users of {escape(self.stage)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{self.root}style.css">
</head>
<body>
<header>
<p><a href="{self.root}">Users of <strong>{escape(self.stage)}</strong></a></p>
{self.form("find", _search_field(self.text), "search")}
</header>
<main>
"""

    def end(self) -> str:
        return "</main>\n</body>\n</html>\n"

    def form(self, path: str, content: str, role: str = "") -> str:
        """Return a form that posts to ``path``."""
        named = f' role="{role}"' if role else ""
        token = f'<input type="hidden" name="token" value="{self.token}">'
        return f'<form method="post" action="{self.root}{path}"{named}>{token}{content}</form>'


def home() -> str:
    return """<h1>Find a user</h1>
<p>Type part of an address or name above. Case and accents do not matter.</p>
<p>A whole address opens its user at once. Anything else reads the whole table, which takes some
seconds for 100,000 users.</p>
"""


def problem(words: str) -> str:
    return f'<h1>That did not work</h1>\n<p role="alert" class="problem">{escape(words)}</p>\n'


def results_start(text: str) -> str:
    return f"<h1>Users with “<bdi>{escape(text)}</bdi>”</h1>\n<ol class=results>\n"


def result(frame: Frame, user: Plain, handle: str) -> str:
    name = person.name(user)
    named = f"<span><bdi>{escape(name)}</bdi></span>" if name else ""
    return (
        f'<li><a href="{frame.root}user/{handle}"><strong><bdi>{escape(str(user["email"]))}</bdi>'
        f"</strong>{named}{_badge(user)}</a></li>\n"
    )


def results_end(count: int, *, is_all: bool, problem: str = "") -> str:
    users = "No user" if not count else "1 user" if count == 1 else f"{count} users"
    words = f"{users} found."
    if problem:
        words = f"The search stopped early: {problem}"
    elif not is_all:
        words = f"These are the first {count}. Type more of the address or name."
    role = "alert" if problem else "status"
    named = ' class="problem"' if problem else ""
    return f'</ol>\n<p role="{role}"{named}>{escape(words)}</p>\n'


def nobody(key: str, notice: Notice | None) -> str:
    words = notice.words if notice else f"There is no user with the address {key}."
    return f'<h1>No such user</h1>\n<p role="status" class="notice">{escape(words)}</p>\n'


def person_page(
    frame: Frame,
    user: Plain,
    handle: str,
    offered: Iterable[str],
    notice: Notice | None,
    unsuppress: str,
    now: datetime,
) -> str:
    """Return the page of a user: their state, what can be done, and what happened.

    ``unsuppress`` is the command that takes the address off SES's suppression list.
    """
    entries = timeline.entries(user, now)
    past, ahead = [e for e in entries if e.at <= now], [e for e in entries if e.at > now]
    buttons = "".join(_button(frame, handle, act) for act in offered)
    step = person.next_step(user, now)
    parts = [
        _heading(user),
        _notice(notice),
        f"<p>{escape(step)}</p>" if step else "",
        _suppression(user, unsuppress),
        f'<div class="acts">{buttons}</div>' if buttons else "",
        f"<h2>What happened</h2>\n{_timeline(reversed(past), now)}" if past else "",
        f"<h2>Still to come</h2>\n{_timeline(ahead, now)}" if ahead else "",
        f"<h2>Stored data</h2>\n{_facts(user, now)}",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def confirmation(frame: Frame, user: Plain, handle: str, act: str) -> str:
    button = _QUESTIONS[act]
    sure = frame.form(f"user/{handle}/{act}", f'<button class="danger">{button}</button>')
    return f"""{_heading(user)}
<section class="question" aria-labelledby="question">
<h2 id="question">{button}?</h2>
<p>{_EXPLAINED[act]}</p>
<div class="acts">{sure}<a class="button" href="{frame.root}user/{handle}">Cancel</a></div>
</section>
"""


def _search_field(text: str) -> str:
    return (
        '<label for="text">Address or name</label>'
        f'<input id="text" name="text" type="search" value="{escape(text)}" autocomplete="off" '
        'spellcheck="false" autocapitalize="none" maxlength="320" required>'
        "<button>Find</button>"
    )


def _heading(user: Plain) -> str:
    name, email = person.name(user), escape(str(user["email"]))
    title = f"<h1><bdi>{escape(name)}</bdi></h1>\n<p class=email><bdi>{email}</bdi></p>"
    if not name:
        title = f"<h1><bdi>{email}</bdi></h1>"
    return f"{title}\n<p>{_badge(user)}</p>"


def _badge(user: Plain) -> str:
    state = person.state(user)
    return f'<span class="badge {state}">{_STATES[state]}</span>'


def _notice(notice: Notice | None) -> str:
    if notice is None:
        return ""
    role, named = ("status", "notice") if notice.is_done else ("alert", "problem")
    return f'<p role="{role}" class="{named}">{escape(notice.words)}</p>'


def _suppression(user: Plain, command: str) -> str:
    """Return how to take a bounced address off SES's own list; empty for other users."""
    if person.state(user) != "bounced" or "validated_at" in user:
        return ""
    return (
        "<p>SES keeps the address on its suppression list. Once the mailbox works again, remove it "
        "there, then send another mail anyway:</p>\n"
        f"<pre tabindex=0><code>{escape(command)}</code></pre>"
    )


def _button(frame: Frame, handle: str, act: str) -> str:
    words = escape(_BUTTONS[act])
    if act in _QUESTIONS:
        return f'<a class="button" href="{frame.root}user/{handle}/{act}">{words}</a>'
    return frame.form(f"user/{handle}/{act}", f"<button>{words}</button>")


def _timeline(entries: Iterable[Entry], now: datetime) -> str:
    rows = "\n".join(
        f'<li><time datetime="{entry.at:%Y-%m-%dT%H:%M:%SZ}">{entry.at:%Y-%m-%d %H:%M:%S} UTC '
        f"<span>{person.distance(entry.at - now)}</span></time>"
        f"<p>{escape(entry.words)}{_by(entry)}</p></li>"
        for entry in entries
    )
    return f"<ol class=timeline>\n{rows}\n</ol>"


def _by(entry: Entry) -> str:
    return f" <span>by <bdi>{escape(entry.by)}</bdi></span>" if entry.by else ""


def _facts(user: Plain, now: datetime) -> str:
    rows = "\n".join(
        f"<div><dt>{escape(label)}</dt><dd><bdi>{escape(fact)}</bdi></dd></div>"
        for label, fact in person.facts(user, now)
        if label not in _SHOWN_ABOVE
    )
    return f"<dl>\n{rows}\n</dl>"
