"""The report of a trial: Markdown without accounts, addresses or secrets."""

import platform
import re
from collections.abc import Mapping

from ops.deploy.trial import Trial
from ops.doctor.journey import SIMULATOR
from ops.stage import commit
from ops.stage.project import CHECKOUT

# In this order: an ARN and a URL may hold what the later ones stand for.
_PRIVATE = (
    (re.compile(r"arn:[\w-]+:[^\s,;)'\"]+"), "<arn>"),
    (re.compile(r"https?://(?!docs\.aws\.)[^\s,;)'\"]+"), "<url>"),
    (re.compile(rf"[\w.+-]+@(?!{re.escape(SIMULATOR)})[\w-]+(\.[\w-]+)+"), "<address>"),
    (re.compile(r"\b\d{12}\b"), "<account>"),
    (re.compile(r"\b(AKIA|ASIA)\w{12,}"), "<key>"),
)


def markdown(trial: Trial) -> str:
    """Return the report of ``trial``, whatever it came to."""
    seconds = sum(part.seconds for part in trial.parts)
    result = f"failed: {', '.join(trial.failed)}" if trial.failed else "passed"
    lines = [
        f"# A trial of Bienvenue: {result}",
        "",
        f"- {'The local cloud' if trial.cloud.endpoint else 'AWS'}, {trial.cloud.region}",
        f"- Commit {commit.describe(CHECKOUT) or 'unknown'}, Python {platform.python_version()}",
        f"- {seconds / 60:.1f} minutes",
        "",
        "| part | seconds | result |",
        "|---|---|---|",
        *(
            f"| {part.name} | {part.seconds:.1f} | {_cell(part.problem, part.text)} |"
            for part in trial.parts
        ),
        "",
        "```",
        trial.transcript.getvalue().strip(),
        "```",
    ]
    return scrub("\n".join(lines) + "\n", _secrets(trial))


def scrub(text: str, known: Mapping[str, str]) -> str:
    """Return ``text`` without the ``known`` private values, and without any that look like one."""
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, known[value])
    for pattern, stand_in in _PRIVATE:
        text = pattern.sub(stand_in, text)
    return text


def _secrets(trial: Trial) -> dict[str, str]:
    """Return what the trial knows and the report must not say, with what it says instead."""
    sender = trial.options.mail_from or ""
    operator = trial.cloud.operator
    known = {
        sender: "<sender>",
        sender.rpartition("@")[2]: "<domain>",
        trial.options.alarms_to or "": "<address>",
        trial.cloud.account: "<account>",
        operator: "<operator>",
        operator.rpartition(":")[2]: "<operator>",
    }
    return {value: stand_in for value, stand_in in known.items() if len(value) > 3}


def _cell(problem: str, text: str) -> str:
    words = f"**failed**: {problem}" if problem else text
    return " ".join(words.split()).replace("|", "\\|")
