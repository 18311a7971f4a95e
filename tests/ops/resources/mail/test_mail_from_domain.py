"""The MAIL FROM domain: what SES is asked, and the records that it waits for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.resources.mail import mail_from_domain
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from tests.ops.conftest import Ear

NAME = "bounce.example.org"


@pytest.fixture
def cloud() -> Cloud:
    session: Any = None
    return Cloud(session, "1", "eu-west-3", "{}/{}".format)


@pytest.mark.parametrize("name", ["example.org", "bounce.example.com", "notexample.org"])
def test_only_a_subdomain_of_the_senders_is_taken(name: str) -> None:
    with pytest.raises(DeployError, match=r"must be a subdomain of example\.org"):
        mail_from_domain.check(name, "hello@example.org")
    assert mail_from_domain.check("Bounce.Example.org.", "hello@example.org") == NAME


def test_ses_is_configured_once_and_dns_is_left_to_do(cloud: Cloud, say: Ear) -> None:
    ses = boto3.client("sesv2", region_name="eu-west-3")
    asked = {"EmailIdentity": "example.org"}
    waiting = {
        "MailFromDomain": NAME,
        "MailFromDomainStatus": "PENDING",
        "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
    }
    with Stubber(ses) as stub:
        stub.add_response("get_email_identity", {}, asked)
        stub.add_response(
            "put_email_identity_mail_from_attributes",
            {},
            {**asked, "MailFromDomain": NAME, "BehaviorOnMxFailure": "USE_DEFAULT_VALUE"},
        )
        mail_from_domain.ensure(ses, cloud, "example.org", NAME, say)
        for _ in range(2):
            stub.add_response("get_email_identity", {"MailFromAttributes": waiting}, asked)
        mail_from_domain.ensure(ses, cloud, "example.org", NAME, say)
        assert say.last == f"{NAME}, as before"
        (left,) = mail_from_domain.left_to_do(ses, cloud, "example.org")
        assert f"{NAME}  MX   10 feedback-smtp.eu-west-3.amazonses.com" in left
        assert f'{NAME}  TXT  "v=spf1 include:amazonses.com ~all"' in left
        done = {**waiting, "MailFromDomainStatus": "SUCCESS"}
        stub.add_response("get_email_identity", {"MailFromAttributes": done}, asked)
        assert mail_from_domain.left_to_do(ses, cloud, "example.org") == []
        stub.assert_no_pending_responses()


def test_the_local_cloud_is_not_asked_for_what_it_lacks(cloud: Cloud, say: Ear) -> None:
    here = replace(cloud, endpoint="http://127.0.0.1:8400")
    mail_from_domain.ensure(None, here, "example.org", NAME, say)
    assert say.last == "the local cloud has none"
