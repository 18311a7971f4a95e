"""A stage's own domain, from its certificate to the end of the old address."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.resources.api import custom_domain
from ops.resources.api.custom_domain import CustomDomain
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project
from tests.ops.conftest import Ear
from tests.support import local_cloud

NAME = "hello.example.org"
ARN = "arn:aws:acm:eu-west-3:123456789012:certificate/1"
NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_cloud.running(tmp_path_factory.mktemp("cloud") / "log") as endpoint:
        yield endpoint


class Session:
    """Clients of the local cloud."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="eu-west-3",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def domain_at(endpoint: str, project: Project, name: str) -> CustomDomain:
    session: Any = Session(endpoint)
    return CustomDomain(Cloud(session, "1", "eu-west-3", "{}/{}".format), project, name)


def make_api(gateway: Any) -> str:
    """An API that is deployed to its stage."""
    api_id: str = gateway.create_rest_api(name="bienvenue")["id"]
    gateway.create_deployment(restApiId=api_id, stageName="api")
    return api_id


@pytest.mark.parametrize("name", ["hello.example.org", "Hello.Example.ORG.", "a.b.example.co"])
def test_a_subdomain_is_taken(name: str) -> None:
    assert custom_domain.check(name) == name.lower().rstrip(".")


@pytest.mark.parametrize("name", ["example.org", "https://hello.example.org", "héllo.example.org"])
def test_what_can_be_no_cname_is_refused(name: str) -> None:
    with pytest.raises(DeployError, match=r"must be a subdomain in ASCII, such as hello\."):
        custom_domain.check(name)


def test_a_domain_is_made_step_by_step_and_once(endpoint: str, project: Project, say: Ear) -> None:
    domain = domain_at(endpoint, project, NAME)
    gateway, acm = domain.cloud.session.client("apigateway"), domain.cloud.session.client("acm")
    api_id = make_api(gateway)
    assert not domain.is_ready(api_id, lambda _: True)
    for _ in range(2):
        (left,) = domain.ensure(api_id, say)
        assert f"{NAME}  CNAME  {NAME}.execute-api" in left
    assert len(acm.list_certificates()["CertificateSummaryList"]) == 1
    assert gateway.get_domain_name(domainName=NAME)["tags"] == {"bienvenue-stage": "bienvenue-prod"}
    asked: list[str] = []
    assert not domain.is_ready(api_id, lambda url: bool(asked.append(url)))
    assert asked == [f"https://{NAME}/openapi.json"]
    assert domain.is_ready(api_id, lambda _: True)
    assert not domain.is_ready("another", lambda _: True)


def test_a_domain_follows_an_api_that_was_made_again(
    endpoint: str, project: Project, say: Ear
) -> None:
    domain = domain_at(endpoint, project, "again.example.org")
    gateway = domain.cloud.session.client("apigateway")
    for api_id in (make_api(gateway), make_api(gateway)):
        domain.ensure(api_id, say)
        assert domain.is_ready(api_id, lambda _: True)


def test_the_apis_own_address_goes_and_comes_back(
    endpoint: str, project: Project, say: Ear
) -> None:
    domain = domain_at(endpoint, project, "off.example.org")
    gateway = domain.cloud.session.client("apigateway")
    api_id = make_api(gateway)
    for off, words in ((True, "switched off"), (False, "switched on again")):
        before = len(gateway.get_deployments(restApiId=api_id)["items"])
        domain.switch_off_own_address(api_id, off=off, say=say)
        assert words in say.last
        assert gateway.get_rest_api(restApiId=api_id)["disableExecuteApiEndpoint"] is off
        # Without a deployment, the change has no effect on AWS.
        assert len(gateway.get_deployments(restApiId=api_id)["items"]) == before + 1
        domain.switch_off_own_address(api_id, off=off, say=say)
        assert len(gateway.get_deployments(restApiId=api_id)["items"]) == before + 1


def test_a_domain_of_others_is_never_taken_or_removed(
    endpoint: str, project: Project, say: Ear
) -> None:
    domain = domain_at(endpoint, project, "theirs.example.org")
    gateway = domain.cloud.session.client("apigateway")
    arn = domain.cloud.session.client("acm").request_certificate(
        DomainName=domain.name, ValidationMethod="DNS"
    )["CertificateArn"]
    gateway.create_domain_name(domainName=domain.name, regionalCertificateArn=arn)
    with pytest.raises(DeployError, match=r"has theirs\.example\.org already"):
        domain.ensure(make_api(gateway), say)
    domain.remove(say)
    assert say.last == "nothing to remove"
    assert gateway.get_domain_name(domainName=domain.name)


def test_a_removed_stage_leaves_no_domain(endpoint: str, project: Project, say: Ear) -> None:
    domain = domain_at(endpoint, project, "gone.example.org")
    domain.ensure(make_api(domain.cloud.session.client("apigateway")), say)
    domain.remove(say)
    assert say.last == "gone.example.org removed"
    domain.remove(say)
    assert say.last == "nothing to remove"


def test_a_pending_certificate_shows_its_dns_record(project: Project, say: Ear) -> None:
    """The local cloud issues each at once; AWS waits for a record in the DNS."""
    acm = boto3.client("acm", region_name="eu-west-3")
    session: Any = type("Session", (), {"client": staticmethod(lambda _: acm)})
    domain = CustomDomain(Cloud(session, "1", "eu-west-3", "{}/{}".format), project, NAME)
    record = {"Name": f"_x.{NAME}.", "Type": "CNAME", "Value": "_y.acm-validations.aws."}
    waiting = {
        "CertificateArn": ARN,
        "Status": "PENDING_VALIDATION",
        "DomainValidationOptions": [{"DomainName": NAME, "ResourceRecord": record}],
    }
    with Stubber(acm) as stub:
        for found in ([], [{"CertificateArn": ARN, "DomainName": NAME}]):
            stub.add_response("list_certificates", {"CertificateSummaryList": []})
            stub.add_response("list_certificates", {"CertificateSummaryList": found})
            if not found:
                stub.add_response(
                    "request_certificate",
                    {"CertificateArn": ARN},
                    {
                        "DomainName": NAME,
                        "ValidationMethod": "DNS",
                        "IdempotencyToken": "helloexampleorg",
                        "Tags": [{"Key": "bienvenue-stage", "Value": "bienvenue-prod"}],
                    },
                )
            stub.add_response("describe_certificate", {"Certificate": waiting})
            (left,) = domain.ensure("api", say)
            assert f"\n  _x.{NAME}.  CNAME  _y.acm-validations.aws." in left
            assert "not issued yet (pending validation)" in say.last
        stub.assert_no_pending_responses()


def test_the_old_address_lives_as_long_as_its_links() -> None:
    assert custom_domain.may_switch_off("", NOW)
    assert not custom_domain.may_switch_off((NOW - timedelta(hours=23)).isoformat(), NOW)
    assert custom_domain.may_switch_off((NOW - timedelta(hours=24)).isoformat(), NOW)
