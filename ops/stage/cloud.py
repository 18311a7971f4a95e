"""The account and region that a stage lives in, and every AWS error put in plain words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnection

from chalicelib.settings import LOOPBACK
from ops.stage.errors import DeployError

_BAD_CREDENTIALS = frozenset(
    (
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    )
)
_FORBIDDEN = frozenset(
    ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")
)

# AWS knows `exists` at the leaves alone, and a typed attribute's leaf is its type.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
ABSENT = {"S": [{"exists": False}]}


@dataclass(frozen=True)
class Cloud:
    """AWS, or the local cloud. What differs between the two is in here and nowhere else.

    ``address`` makes a REST API's id and stage into its address. ``prepare`` is given each botocore
    session that Chalice is to work with. ``endpoint`` is where the local cloud is reached; empty
    for AWS. ``absent`` is how a stream's filter says that a text attribute is not there.
    """

    session: boto3.Session
    account: str
    region: str
    address: Callable[[str, str], str]
    prepare: Callable[[botocore.session.Session], None] = lambda _session: None
    endpoint: str = ""
    absent: Any = field(default_factory=lambda: ABSENT)

    def command(self, words: str) -> str:
        """A command line that is to be typed, such that it reaches this cloud: from a rehearsal on
        this machine, never an account."""
        return f"AWS_ENDPOINT_URL={self.endpoint} {words}" if self.endpoint else words

    def aws(self, words: str) -> str:
        """An ``aws`` command line that reaches this cloud."""
        if not self.endpoint:
            return f"aws {words} --region {self.region}"
        keys: Any = self.session.get_credentials()  # a local cloud is never without
        credentials = f"AWS_ACCESS_KEY_ID={keys.access_key} AWS_SECRET_ACCESS_KEY={keys.secret_key}"
        return f"{credentials} aws {words} --region {self.region} --endpoint-url {self.endpoint}"


def connect() -> Cloud:
    """AWS with the operator's own credentials and region. Raises DeployError without them."""
    with in_plain_words():
        session = boto3.Session()
        if not session.get_credentials():
            raise NoCredentialsError
        region = session.region_name
        if not region:
            raise NoRegionError
        account = session.client("sts").get_caller_identity()["Account"]
        partition = session.get_partition_for_region(region)
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"

    def address(api_id: str, api_stage: str) -> str:
        return f"https://{api_id}.execute-api.{region}.{suffix}/{api_stage}"

    return Cloud(session, account, region, address)


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Whatever botocore raises inside, raised as a DeployError that says what to do."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise DeployError(
            "There are no AWS credentials here: set AWS_PROFILE, or run: aws configure"
        ) from error
    except NoRegionError as error:
        raise DeployError(
            "There is no AWS region: set AWS_DEFAULT_REGION, for instance to eu-west-3."
        ) from error
    except ProfileNotFound as error:
        raise DeployError(
            f"{error}: set AWS_PROFILE to one of those that `aws configure list-profiles` lists."
        ) from error
    except (SSOError, TokenRetrievalError, LoginError, CredentialRetrievalError) as error:
        raise DeployError(
            f"These AWS credentials cannot be had ({_line(error)}): log in again, for instance by: "
            "aws sso login"
        ) from error
    except (NoConnection, HTTPClientError) as error:
        if nowhere := _nothing_here(error):
            raise DeployError(
                f"Nothing runs at {nowhere}: start the local cloud with "
                f"PORT={urlsplit(nowhere).port or 80} make run, or unset AWS_ENDPOINT_URL."
            ) from error
        raise DeployError(
            f"AWS did not answer ({_line(error)}): look at the network, and at the region's name."
        ) from error
    except BotoCoreError as error:
        raise DeployError(f"AWS could not be asked: {_line(error)}.") from error
    except ClientError as error:
        raise DeployError(_words(error)) from error


def is_forbidden(error: ClientError) -> bool:
    """Whether what is missing is a permission."""
    return error.response["Error"]["Code"] in _FORBIDDEN


def is_unaccepted(error: ClientError) -> bool:
    """Whether it is the credentials themselves that AWS takes no longer, for anything."""
    return error.response["Error"]["Code"] in _BAD_CREDENTIALS


def _nothing_here(error: Exception) -> str:
    """The address on this machine where nobody listens; nothing if ``error`` is another."""
    endpoint = urlsplit(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    is_here = isinstance(error, EndpointConnectionError) and endpoint.hostname in LOOPBACK
    return f"{endpoint.scheme}://{endpoint.netloc}" if is_here else ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _words(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    message = error.response["Error"].get("Message", code).rstrip(".")
    if is_unaccepted(error):
        return f"AWS does not accept these credentials ({message}): renew them, or set AWS_PROFILE."
    if is_forbidden(error):
        return f"These credentials may not {error.operation_name} ({message}): use ones that may."
    return f"AWS refused {error.operation_name}: {message} ({code})."
