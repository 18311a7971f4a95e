"""Items of other programs, in both forms of JSON."""

from __future__ import annotations

import pytest

from ops.put import item
from ops.stage.errors import OpsError

HORN = {"email": {"S": "horn@example.org"}, "nom": {"S": "GÜNST HORN"}}


@pytest.mark.parametrize(
    "text",
    [
        '{"email": "horn@example.org", "nom": "GÜNST HORN"}',
        '{"email": {"S": "horn@example.org"}, "nom": {"S": "GÜNST HORN"}}',
    ],
)
def test_both_forms_of_json_give_the_same_item(text: str) -> None:
    assert item.parse(text) == HORN


def test_plain_numbers_lists_and_mappings_are_typed() -> None:
    read = item.parse('{"email": "a@b.org", "n": 1.5, "l": ["x"], "m": {"S": "x", "b": true}}')
    assert read == {
        "email": {"S": "a@b.org"},
        "n": {"N": "1.5"},
        "l": {"L": [{"S": "x"}]},
        "m": {"M": {"S": {"S": "x"}, "b": {"BOOL": True}}},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("email=a@b.org", "is not JSON"),
        ('["a@b.org"]', "must be a JSON object"),
        ("{}", "has no email"),
        ('{"email": ""}', "has no email"),
        ('{"email": 1}', "has no email"),
        ('{"email": {"N": "1"}}', "has no email"),
    ],
)
def test_a_wrong_item_is_refused_with_an_example(text: str, said: str) -> None:
    with pytest.raises(OpsError, match=rf"{said}.*such as") as error:
        item.parse(text)
    assert "\n" not in str(error.value)
