"""The operator's account, and AWS's errors in plain words."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from moto import mock_aws

from ops.stage import cloud
from ops.stage.errors import DeployError


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "There are no AWS credentials"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "There are no AWS credentials"),
        ({"AWS_DEFAULT_REGION": ""}, "There is no AWS region: set AWS_DEFAULT_REGION"),
        # `aws configure` asks for both, so it is told first.
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_DEFAULT_REGION": ""},
            "run: aws configure",
        ),
        ({"AWS_PROFILE": "nobody"}, r"\(nobody\) could not be found: set AWS_PROFILE to one of"),
    ],
)
def test_missing_credentials_or_region_show_the_fix(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], words: str
) -> None:
    for name, value in environment.items():
        if value:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name)
    with pytest.raises(DeployError, match=words):
        cloud.connect()


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-3", "execute-api.eu-west-3.amazonaws.com"),
        ("cn-north-1", "execute-api.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_an_account_is_known_by_its_number_and_api_addresses(
    monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    with mock_aws():
        found = cloud.connect()
    assert (found.account, found.region) == ("123456789012", region)
    assert ":sts::123456789012:user/moto" in found.operator
    assert found.address("abc", "api") == f"https://abc.{host}/api"


def refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateStack")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            refusal("ExpiredToken", "The security token is expired."),
            "AWS does not accept these credentials (The security token is expired): renew them",
        ),
        (
            refusal("SignatureDoesNotMatch", "Signature expired: 20261126T0900Z is now earlier"),
            "AWS does not accept the time of this machine (Signature expired",
        ),
        (
            refusal("InvalidSignatureException", "Signature not yet current: 20261127T0900Z"),
            "set its clock, for example: sudo timedatectl set-ntp true",
        ),
        (
            refusal("AccessDenied", "User: me is not authorized"),
            "These credentials may not CreateStack (User: me is not authorized): use others that",
        ),
        (
            refusal("LimitExceededException", "Too many stacks."),
            "AWS refused CreateStack: Too many stacks (LimitExceededException).",
        ),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://sts.nowhere.amazonaws.com/"),
            'AWS did not answer (Could not connect to the endpoint URL: "https://sts.nowhere',
        ),
        (
            exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:9830/?x"),
            "Nothing runs at http://127.0.0.1:9830: start the local cloud with PORT=9830 make run",
        ),
        (
            exceptions.ReadTimeoutError(endpoint_url="https://sts.amazonaws.com/"),
            "AWS did not answer (Read timeout on endpoint URL",
        ),
        (
            exceptions.UnauthorizedSSOTokenError(),
            "log in again, for example: aws sso login",
        ),
        (
            exceptions.CredentialRetrievalError(provider="process", error_msg="exit 1\n"),
            "retrieving credentials from process: exit 1): log in again",
        ),
        (
            exceptions.InvalidRegionError(region_name="no region"),
            "AWS could not be asked: Provided region_name 'no region'",
        ),
    ],
)
def test_an_error_of_awss_becomes_a_sentence(error: Exception, words: str) -> None:
    with pytest.raises(DeployError) as told, cloud.in_plain_words():
        raise error
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    assert told.value.__cause__ is error


def test_an_error_that_is_not_awss_is_not_disguised() -> None:
    with pytest.raises(ZeroDivisionError), cloud.in_plain_words():
        _ = 1 / 0
