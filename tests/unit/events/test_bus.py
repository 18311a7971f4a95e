"""EventBridge's limits: entries and bytes of a call, and entries that it refuses."""

from __future__ import annotations

from typing import Any

from botocore.session import Session
from botocore.validate import ParamValidator

from chalicelib.events.bus import MAX_BYTES, MAX_ENTRIES, Bus
from chalicelib.events.event import MAX_DETAIL, Event

TABLE = "arn:aws:dynamodb:eu-west-3:123456789012:table/bienvenue-prod-users"


class EventBridge:
    """EventBridge as botocore describes it; it refuses events about ``refused``."""

    def __init__(self, *refused: str) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self._refused = refused
        model = Session().get_service_model("events").operation_model("PutEvents")
        self._shape: Any = model.input_shape

    def put_events(self, **request: Any) -> dict[str, Any]:
        errors = ParamValidator().validate(request, self._shape)
        assert not errors.has_errors(), errors.generate_report()
        self.calls.append(request["Entries"])
        entries = [
            {"ErrorCode": "MalformedDetail", "ErrorMessage": "No."}
            if any(one in entry["Detail"] for one in self._refused)
            else {"EventId": "1"}
            for entry in request["Entries"]
        ]
        return {"FailedEntryCount": 1, "Entries": entries}


def events(count: int, size: int = 2) -> list[Event]:
    return [Event(f"user{n}@example.org", "validated", f"{n}".ljust(size)) for n in range(count)]


def bus(cloud: EventBridge) -> Bus:
    return Bus(cloud, "bienvenue-prod", TABLE)


def test_an_entry_names_the_stage_and_the_events_type() -> None:
    cloud = EventBridge()
    (event,) = events(1)
    assert bus(cloud).put([event]) == {}
    assert cloud.calls == [
        [
            {
                "EventBusName": "bienvenue-prod",
                "Source": "bienvenue",
                "DetailType": "user.validated",
                "Detail": event.detail,
                "Resources": [TABLE],
            }
        ]
    ]


def test_a_call_has_at_most_ten_entries() -> None:
    cloud = EventBridge()
    bus(cloud).put(events(23))
    assert [len(entries) for entries in cloud.calls] == [MAX_ENTRIES, MAX_ENTRIES, 3]


def test_a_call_has_at_most_256_kilobytes() -> None:
    cloud = EventBridge()
    bus(cloud).put(events(10, size=60_000))
    sizes = [sum(len(str(entry)) for entry in entries) for entries in cloud.calls]
    assert [len(entries) for entries in cloud.calls] == [4, 4, 2]
    assert max(sizes) < 256 * 1024
    assert MAX_DETAIL < MAX_BYTES


def test_an_entry_that_is_refused_is_named_with_its_reason() -> None:
    first, second = events(2)
    assert bus(EventBridge("1")).put([first, second]) == {second: "MalformedDetail"}


def test_nothing_is_asked_for_no_events() -> None:
    cloud = EventBridge()
    assert bus(cloud).put([]) == {}
    assert cloud.calls == []
