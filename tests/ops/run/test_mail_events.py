"""The events of the mails of a run, as the deployed function reads them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from chalicelib.mail import feedback
from ops.run.mail_events import events
from tests.support.fakes import LINK_HASH, TOPIC, notice

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=timezone.utc)


def call(to: str) -> dict[str, Any]:
    return {
        "FromEmailAddress": "hello@example.org",
        "Destination": {"ToAddresses": [to]},
        "ConfigurationSetName": "bienvenue-local",
        "EmailTags": [{"Name": "link", "Value": LINK_HASH}],
    }


@pytest.mark.parametrize(
    ("to", "kinds"),
    [
        ("alexis@example.org", ["Send", "Delivery"]),
        ("bounce@example.org", ["Send", "Delivery"]),
        ("success+1@simulator.amazonses.com", ["Send", "Delivery"]),
        ("ooto@simulator.amazonses.com", ["Send", "Delivery"]),
        ("bounce@simulator.amazonses.com", ["Send", "Bounce"]),
        ("bounce+label@simulator.amazonses.com", ["Send", "Bounce"]),
        ("suppressionlist@simulator.amazonses.com", ["Send", "Bounce"]),
        ("complaint@simulator.amazonses.com", ["Send", "Delivery", "Complaint"]),
    ],
)
def test_the_app_reads_every_event_of_a_mail(to: str, kinds: list[str]) -> None:
    reports = [
        report
        for event in events(call(to), "0100", NOW)
        for report in feedback.read([notice(event)], TOPIC)
    ]
    assert [report.kind.value for report in reports] == kinds
    for report in reports:
        assert (report.emails[0], report.link_hash, report.message_id) == (to, LINK_HASH, "0100")


def test_only_the_suppression_list_suppresses() -> None:
    def is_suppressed(to: str) -> bool:
        event = events(call(f"{to}@simulator.amazonses.com"), "0100", NOW)[-1]
        (report,) = feedback.read([notice(event)], TOPIC)
        return report.is_suppressed

    assert is_suppressed("suppressionlist")
    assert not is_suppressed("bounce")
