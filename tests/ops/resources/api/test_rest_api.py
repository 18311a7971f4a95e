"""The REST API: found again rather than made twice, and throttled as asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws

from ops.resources.api import rest_api
from ops.resources.api.rest_api import AS_IT_WAS, Throttle
from ops.stage.project import Project
from tests.ops.conftest import Ear

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient


@pytest.fixture
def gateway() -> Iterator[APIGatewayClient]:
    with mock_aws():
        yield boto3.client("apigateway")


@pytest.fixture
def api(gateway: APIGatewayClient) -> str:
    """An API with a deployed stage, as Chalice leaves it."""
    api_id = gateway.create_rest_api(name="bienvenue")["id"]
    deploy(gateway, api_id)
    return api_id


def deploy(gateway: APIGatewayClient, api_id: str) -> None:
    (root,) = gateway.get_resources(restApiId=api_id)["items"]
    one = {"restApiId": api_id, "resourceId": root["id"], "httpMethod": "GET"}
    gateway.put_method(**one, authorizationType="NONE")
    gateway.put_integration(**one, type="MOCK")
    gateway.create_deployment(restApiId=api_id, stageName="api")


def limits(gateway: APIGatewayClient, api_id: str, method: str = "*/*") -> tuple[float, int]:
    settings = gateway.get_stage(restApiId=api_id, stageName="api")["methodSettings"][method]
    return settings["throttlingRateLimit"], settings["throttlingBurstLimit"]


def sign_up_limits(gateway: APIGatewayClient, api_id: str) -> tuple[float, int]:
    """The limits of both routes that have mail sent."""
    (both,) = {limits(gateway, api_id, method) for method in rest_api.SIGN_UP_METHODS}
    return both


def set_by_hand(gateway: APIGatewayClient, api_id: str, value: str, method: str = "*/*") -> None:
    gateway.update_stage(
        restApiId=api_id,
        stageName="api",
        patchOperations=[
            {"op": "replace", "path": f"/{method}/throttling/{name}", "value": value}
            for name in ("rateLimit", "burstLimit")
        ],
    )


def throttle(gateway: APIGatewayClient, api_id: str, wanted: Throttle = AS_IT_WAS) -> str:
    say = Ear()
    rest_api.ensure_throttle(gateway, api_id, "api", wanted, say)
    return say.last


def test_an_api_is_made_once_and_found_again(
    gateway: APIGatewayClient, project: Project, say: Ear
) -> None:
    made = rest_api.ensure(gateway, project, say)
    assert say.last == f"{made}, new"
    assert gateway.get_rest_api(restApiId=made)["endpointConfiguration"]["types"] == ["REGIONAL"]
    project.replace([rest_api.recorded(made, "https://api.example.org/api")])
    recorded = project.resource("rest_api")
    assert recorded
    assert recorded["rest_api_url"] == "https://api.example.org/api/"

    assert rest_api.ensure(gateway, project, say) == made
    assert say.last == f"{made}, as before"
    project.replace([])
    assert rest_api.ensure(gateway, project, say) == made
    assert say.last == f"{made}, made on another machine"


def test_another_stages_api_is_not_taken_for_this_ones(
    gateway: APIGatewayClient, project: Project, say: Ear
) -> None:
    prod = rest_api.ensure(gateway, project, say)
    assert rest_api.ensure(gateway, Project(project.folder, "test"), say) != prod


def test_an_api_that_is_gone_is_made_again(
    gateway: APIGatewayClient, project: Project, say: Ear
) -> None:
    gone = rest_api.ensure(gateway, project, say)
    project.replace([rest_api.recorded(gone, "https://api.example.org/api")])
    gateway.delete_rest_api(restApiId=gone)
    assert rest_api.ensure(gateway, project, say) != gone
    assert say.last.endswith(", new")


def test_an_api_is_throttled_from_the_start(gateway: APIGatewayClient, api: str) -> None:
    assert throttle(gateway, api) == (
        "5 a second and 20 at once for sign-ups, 50 a second and 100 at once for each other route"
    )
    assert limits(gateway, api) == (50, 100)
    assert sign_up_limits(gateway, api) == (5, 20)


def test_sign_ups_have_limits_of_their_own(gateway: APIGatewayClient, api: str) -> None:
    throttle(gateway, api, Throttle(sign_up_rate=80, sign_up_burst=400))
    throttle(gateway, api, Throttle(rate=60))
    assert sign_up_limits(gateway, api) == (80, 400)
    assert limits(gateway, api) == (60, 100)
    assert throttle(gateway, api).startswith("nothing to change (80 a second and 400 at once")


def test_a_chosen_throttle_still_holds_for_sign_ups(gateway: APIGatewayClient, api: str) -> None:
    """A stage of an earlier version, whose operator had raised its only throttle."""
    set_by_hand(gateway, api, "900")
    throttle(gateway, api)
    assert sign_up_limits(gateway, api) == limits(gateway, api) == (900, 900)


def test_a_throttle_set_by_an_option_is_remembered(gateway: APIGatewayClient, api: str) -> None:
    throttle(gateway, api, Throttle(rate=2.5))
    assert limits(gateway, api) == (2.5, 100)
    throttle(gateway, api, Throttle(burst=7))
    assert limits(gateway, api) == (2.5, 7)
    assert throttle(gateway, api).endswith("2.5 a second and 7 at once for each other route)")
    assert limits(gateway, api) == (2.5, 7)


def test_a_high_limit_is_printed_in_full(gateway: APIGatewayClient, api: str) -> None:
    said = throttle(gateway, api, Throttle(rate=2_500_000, burst=1_000_000))
    assert said.endswith("2500000 a second and 1000000 at once for each other route")
    assert limits(gateway, api) == (2_500_000, 1_000_000)


def test_an_api_that_was_shut_by_hand_is_not_opened_by_a_deploy(
    gateway: APIGatewayClient, api: str
) -> None:
    throttle(gateway, api)
    for method in ("*/*", *rest_api.SIGN_UP_METHODS):
        set_by_hand(gateway, api, "0", method)
    throttle(gateway, api)
    assert limits(gateway, api) == (0, 0)
    assert sign_up_limits(gateway, api) == (0, 0)


def test_limits_that_nobody_set_count_as_none(gateway: APIGatewayClient, api: str) -> None:
    set_by_hand(gateway, api, "-1")
    throttle(gateway, api)
    assert limits(gateway, api) == (50, 100)
    assert sign_up_limits(gateway, api) == (5, 20)


@pytest.mark.parametrize("is_off", [True, False])
def test_chalices_document_leaves_the_own_address_as_it_is(
    gateway: APIGatewayClient, api: str, is_off: bool
) -> None:
    if is_off:
        change: Any = {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}
        gateway.update_rest_api(restApiId=api, patchOperations=[change])
    session = botocore.session.Session()
    rest_api.keep_own_address_off(session)
    sent: list[Any] = []

    def answer(params: Any, **_: Any) -> Any:
        sent.append(json.loads(params["body"]))
        return AWSResponse("", 200, HTTPHeaders(), None), {}

    session.register("before-call.apigateway.PutRestApi", answer)
    client: Any = session.create_client("apigateway")
    client.put_rest_api(restApiId=api, mode="overwrite", body=json.dumps({"paths": {}}))
    kept = {"x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}}
    assert sent == [{"paths": {}, **(kept if is_off else {})}]
