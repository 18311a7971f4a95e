"""Bounds: what another program puts costs the stream's handler only a moment."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest

from chalicelib import settings, wiring
from chalicelib.templates import Templates
from tests.support.fakes import TOPIC, record
from tests.support.wire import NOWHERE, answer

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
EARLIER = {"S": "2031-05-04T11:00:00.000000Z"}
OWED = {"created_at": EARLIER, "mail": {"S": "owed"}, "mail_at": EARLIER, "owed_at": EARLIER}
"""An item that another program writes like a sign-up's."""
FILLINGS = [
    "a.b",
    "\u0301",
    "\u3164",
    "\u2068",
    "\u200b",
    "\uff20",
    "%40",
    "mailto:",
    " ",
    "<&",
    "1",
]
TEXTS = (
    *("prenom", "nom", "lang", "return_to", "said_at", "ticket", "resend_of", "created_at"),
    *("mail", "mail_at", "mail_link", "mail_error", "mail_window_at", "owed", "owed_at"),
    *("remind_at", "validated_at", "message_id", "event", "plan"),
)


def many(number: int, entry: Any) -> Any:
    return {"M": {f"{key:06}": entry for key in range(number)}}


def deep(levels: int) -> Any:
    value: Any = {"S": "x"}
    for _ in range(levels):
        value = {"M": {"a": value}}
    return value


OLD_LINK = {"M": {"expires": {"N": "0"}}}
LIVE_LINK = {"M": {"expires": {"N": "9" * 38}, "ticket": {"S": "t"}}}
MAPS: dict[str, dict[str, Any]] = {
    "many fields": {"fields": many(12_000, {"S": "x" * 20})},
    "deep fields": {"fields": deep(31)},
    "a long field": {"fields": {"M": {"company": {"S": "x" * 400_000}}}},
    "many consents": {"consent": many(8000, {"M": {"text": {"S": "x" * 20}}})},
    "many links": {"links": many(8000, LIVE_LINK), "resend_of": {"S": "t"}},
    "many old links": {"links": many(12_000, OLD_LINK)},
    "links that are none": {"links": many(40_000, {"S": ""})},
    "many codes": {"codes": many(12_000, OLD_LINK)},
    "codes that are none": {"codes": many(40_000, {"M": {}})},
    "many former links": {"link_hashes": {"SS": [str(n) for n in range(60_000)]}},
    "a great count": {"mail_count": {"N": "1E+125"}, "mail_window_at": EARLIER},
    "a list": {"plan": {"L": [{"N": "1"}] * 100_000}},
    "bytes for a name": {"prenom": {"B": "x" * 400_000}},
    "bytes of the drain": {"fields": {"M": {"photo": {"B": b"x" * 400_000}}}},
    "sets of bytes": {"fields": {"M": {"photos": {"BS": [b"x" * 9000] * 40}}}},
    "large links": {"links": many(50, {"M": {"expires": {"N": "9" * 9}, "x": {"B": b"x" * 8000}}})},
}


@pytest.fixture(scope="module")
def requests() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture(scope="module")
def service(requests: list[tuple[str, bytes]]) -> wiring.Service:
    """The stream's handler of a stage with all that mails can have, and AWS that takes all."""
    stage = settings.read(
        {
            "USERS_TABLE": "users",
            "USERS_STREAM_ARN": "arn:aws:dynamodb:eu-west-3:123456789012:table/users/stream/2031",
            "MAIL_FROM": "hello@example.org",
            "BASE_URL": "https://hello.example.org/api",
            "MAIL_FEEDBACK_TOPIC_ARN": TOPIC,
            "LIMITS_TABLE": "limits",
            "SECRET_KEY": "a secret key of thirty-two letters",
            "REMIND_AFTER": "48h",
            "WELCOME_MAIL": "true",
            "CHALLENGE": "auto",
        }
    )
    session = wiring.make_session()

    def take(request: Any, event_name: str, **_: Any) -> Any:
        requests.append((event_name.rpartition(".")[2], request.body))
        request.url = NOWHERE
        return answer(200, b'{"Attributes": {}, "MessageId": "1"}')

    for operation in ("dynamodb.UpdateItem", "sesv2.SendEmail"):
        session.get_component("event_emitter").register_first(f"before-send.{operation}", take)
    return wiring.Service(session, stage, Templates(), lambda: NOW)


def cost(service: wiring.Service, image: dict[str, Any]) -> float:
    """Return the processor's milliseconds that the handler takes for a record of ``image``."""
    records = [record("INSERT", None)]
    records[0]["dynamodb"]["NewImage"] = image
    times = []
    for _ in range(4):
        started = time.process_time()
        service.mail(records, lambda: 900.0)
        times.append(time.process_time() - started)
    return min(times) * 1000


@pytest.fixture(scope="module")
def usual(service: wiring.Service) -> float:
    """What an ordinary mail costs. Other tests and a measured coverage slow all down alike."""
    return cost(service, {"email": {"S": "a@example.org"}, **OWED, "nom": {"S": "Horn"}})


@pytest.mark.parametrize("others", [{}, OWED], ids=["alone", "like a sign-up"])
@pytest.mark.parametrize("name", TEXTS)
def test_400_kilobytes_of_text_cost_under_10_milliseconds(
    service: wiring.Service, usual: float, name: str, others: dict[str, Any]
) -> None:
    for filling in FILLINGS:
        text = filling * (400_000 // len(filling.encode()))
        image = {"email": {"S": "a@example.org"}, **others, name: {"S": text}}
        assert cost(service, image) < usual + 10, filling


@pytest.mark.parametrize("others", [{}, OWED], ids=["alone", "like a sign-up"])
@pytest.mark.parametrize("name", MAPS)
def test_large_maps_and_numbers_cost_under_10_milliseconds(
    service: wiring.Service, usual: float, name: str, others: dict[str, Any]
) -> None:
    image = {"email": {"S": "a@example.org"}, **others, **MAPS[name]}
    assert cost(service, image) < usual + 10


@pytest.mark.parametrize("filling", FILLINGS)
def test_the_longest_keys_cost_under_10_milliseconds(
    service: wiring.Service, usual: float, filling: str
) -> None:
    long = (filling * 2048).encode()[:2000].decode(errors="ignore")
    short = (filling * 200)[:200]
    for key in (long, f"{long}@a.org", f"a@{long}", f"mailto:{long}", f"a@{short}.org"):
        assert cost(service, {"email": {"S": key}}) < usual + 10, key[:9]


@pytest.mark.parametrize("name", MAPS)
def test_a_claim_carries_only_sign_up_data(
    service: wiring.Service, requests: list[tuple[str, bytes]], name: str
) -> None:
    requests.clear()
    long = {"prenom": {"S": "x" * 400_000}, "ticket": {"S": "x" * 400_000}}
    cost(service, {"email": {"S": "a@example.org"}, **OWED, **long, **MAPS[name]})
    assert "SendEmail" in [operation for operation, _ in requests]
    assert max(len(body) for operation, body in requests if operation == "UpdateItem") < 30_000
