"""The limit by client: what WAF is sent, and the web ACLs of others left alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.validate import validate_parameters
from moto import mock_aws

from ops.resources.api import client_limit
from ops.resources.stack import stack
from ops.stage.errors import DeployError
from ops.stage.project import Project
from tests.ops.conftest import Ear
from tests.support import web_acl

STAGE = "arn:aws:apigateway:eu-west-3::/restapis/one/stages/api"


def as_sent(**more: str) -> dict[str, Any]:
    values = {"AppName": "bienvenue", "Stage": "prod", "LimitsClients": "true", **more}
    (sent,) = stack.properties("AWS::WAFv2::WebACL", values).values()
    sent["Rules"][0]["Statement"]["RateBasedStatement"]["Limit"] = 30
    return dict(sent)


def test_waf_limits_who_posts_too_often_and_no_other() -> None:
    """As AWS documents it: it looks now and then, and a window slides."""
    (rule,) = web_acl.rules(as_sent(), checked_every=10)

    def refused(client: str, moments: Iterable[float], method: str = "POST") -> list[bool]:
        return [rule.refuses(method, client, moment) for moment in moments]

    assert not any(refused("198.51.100.1", range(10))), "AWS has not looked again"
    assert not any(refused("198.51.100.1", [9.5] * 20)), "30 are allowed"
    assert refused("198.51.100.1", [9.9, 10.1, 20, 299, 309]) == [False, True, True, True, False]
    assert not any(refused("198.51.100.2", range(310, 340)))
    assert refused("198.51.100.2", [340, 348, 349]) == [False, False, True]
    assert not any(refused("198.51.100.2", [351] * 50, method="GET"))


def test_a_web_acl_that_is_not_imitated_lets_nothing_through() -> None:
    sent = as_sent()
    sent["Rules"][0]["Statement"]["RateBasedStatement"]["AggregateKeyType"] = "FORWARDED_IP"
    with pytest.raises(ValueError, match="FORWARDED_IP is not imitated"):
        web_acl.rules(sent)


@pytest.fixture
def wafv2() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("wafv2")


def make(wafv2: Any, name: str = "bienvenue-prod") -> str:
    made = wafv2.create_web_acl(**{**as_sent(), "Name": name})
    return str(made["Summary"]["ARN"])


def test_waf_takes_the_web_acl_of_the_template() -> None:
    """By botocore's model of it: the local cloud would take anything."""
    model = botocore.session.get_session().get_service_model("wafv2")
    shape = model.operation_model("CreateWebACL").input_shape
    sent = as_sent()
    statement = sent["Rules"][0]["Statement"]["RateBasedStatement"]["ScopeDownStatement"]
    statement["ByteMatchStatement"]["SearchString"] = b"POST"  # a blob in the API, text in a stack
    validate_parameters(sent, shape)
    assert len(json.loads(sent["CustomResponseBodies"]["TooMany"]["Content"])) == 4


@pytest.mark.parametrize(
    ("allowed", "headers"),
    [
        ("", {}),
        ("*", {"Access-Control-Allow-Origin": "*"}),
        (
            "https://Shop.example",
            {
                "Access-Control-Allow-Origin": "https://shop.example",
                "Access-Control-Allow-Credentials": "true",
            },
        ),
        ("https://shop.example https://a.example", {"Access-Control-Allow-Origin": "*"}),
    ],
)
def test_an_allowed_pages_script_can_read_the_refusal(
    allowed: str, headers: dict[str, str]
) -> None:
    """WAF's headers are the same for every request."""
    origin = client_limit.origin_of({"ALLOWED_ORIGINS": allowed})
    conditions = {
        "NamesLimitOrigin": origin,
        "LimitKnowsCookies": "true" if origin not in ("", "*") else "",
    }
    (rule,) = web_acl.rules(as_sent(ClientLimitOrigin=origin, **conditions))
    sent = dict(rule.refusal.headers)
    assert sent.pop("Retry-After") == "300"
    assert sent.pop("Content-Type") == "application/json"
    assert sent == headers


def test_waf_takes_the_headers_of_cross_origin_answers() -> None:
    sent = as_sent(ClientLimitOrigin="*", NamesLimitOrigin="true", LimitKnowsCookies="true")
    model = botocore.session.get_session().get_service_model("wafv2")
    response = sent["Rules"][0]["Action"]["Block"]["CustomResponse"]
    validate_parameters(response, model.shape_for("CustomResponse"))
    assert len(response["ResponseHeaders"]) == 3


def test_only_posts_are_counted_and_no_request_is_kept() -> None:
    (rule,) = as_sent()["Rules"]
    rate = rule["Statement"]["RateBasedStatement"]
    assert (rate["AggregateKeyType"], rate["EvaluationWindowSec"]) == ("IP", 300)
    assert rate["ScopeDownStatement"]["ByteMatchStatement"]["SearchString"] == "POST"
    assert rule["VisibilityConfig"]["SampledRequestsEnabled"] is False
    assert as_sent()["VisibilityConfig"]["SampledRequestsEnabled"] is False


def test_a_web_acl_is_put_on_the_api_once_and_taken_off(
    wafv2: Any, project: Project, say: Ear
) -> None:
    ours = make(wafv2)
    client_limit.associate(wafv2, STAGE, ours, say)
    assert say.last == "on"
    client_limit.associate(wafv2, STAGE, ours, say)
    assert say.last == "nothing to change"
    client_limit.check(wafv2, project, STAGE)
    client_limit.dissociate(wafv2, project, STAGE, say)
    assert (say.last, client_limit.find(wafv2, STAGE)) == ("off", None)
    client_limit.dissociate(wafv2, project, STAGE, say)
    assert say.last == "it was off"


def test_an_operators_own_web_acl_stays(wafv2: Any, project: Project, say: Ear) -> None:
    theirs = make(wafv2, "theirs")
    client_limit.associate(wafv2, STAGE, theirs, say)
    with pytest.raises(DeployError, match="has the web ACL theirs already"):
        client_limit.check(wafv2, project, STAGE)
    client_limit.dissociate(wafv2, project, STAGE, say)
    present = client_limit.find(wafv2, STAGE)
    assert present
    assert present["ARN"] == theirs


def test_a_new_web_acl_is_waited_for(wafv2: Any, say: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = make(wafv2)
    monkeypatch.setattr("ops.stage.waiting.FIRST_PAUSE", 0)
    error = {"Error": {"Code": "WAFUnavailableEntityException", "Message": "Retry your request"}}
    failures = [wafv2.exceptions.WAFUnavailableEntityException(error, "AssociateWebACL")]
    really = wafv2.associate_web_acl

    def sometimes(**asked: Any) -> Any:
        if failures:
            raise failures.pop()
        return really(**asked)

    monkeypatch.setattr(wafv2, "associate_web_acl", sometimes)
    client_limit.associate(wafv2, STAGE, ours, say)
    assert say.heard[-2:] == ["waiting until WAF knows it everywhere", "on"]
