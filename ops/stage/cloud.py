"""The account and region that a stage lives in; or the local cloud."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.exceptions import NoCredentialsError, NoRegionError

from ops.stage import api_gateway_pace
from ops.stage.aws_errors import in_plain_words

# AWS knows `exists` at the leaves alone, and a typed attribute's leaf is its type.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
ABSENT = {"S": [{"exists": False}]}


@dataclass(frozen=True)
class Cloud:
    """AWS, or the local cloud. What differs between the two is in here and nowhere else.

    ``address`` makes a REST API's id and stage into its address. ``prepare`` is given each botocore
    session that Chalice is to work with. ``endpoint`` is where the local cloud is reached; empty
    for AWS. ``absent`` is how a stream's filter says that a text attribute is not there.
    ``operator`` is the ARN that the credentials belong to: what each act on a user's item records.
    """

    session: boto3.Session
    account: str
    region: str
    address: Callable[[str, str], str]
    prepare: Callable[[botocore.session.Session], None] = lambda _session: None
    endpoint: str = ""
    absent: Any = field(default_factory=lambda: ABSENT)
    operator: str = "unknown"

    def command(self, words: str) -> str:
        """Return a command line for this cloud. With a local endpoint it cannot reach AWS."""
        return f"AWS_ENDPOINT_URL={self.endpoint} {words}" if self.endpoint else words

    def aws(self, words: str) -> str:
        """Return an ``aws`` command line that reaches this cloud."""
        if not self.endpoint:
            return f"aws {words} --region {self.region}"
        keys: Any = self.session.get_credentials()  # a local cloud is never without
        credentials = f"AWS_ACCESS_KEY_ID={keys.access_key} AWS_SECRET_ACCESS_KEY={keys.secret_key}"
        return f"{credentials} aws {words} --region {self.region} --endpoint-url {self.endpoint}"


def connect() -> Cloud:
    """AWS with the operator's own credentials and region. Raises DeployError without them."""
    with in_plain_words():
        session = boto3.Session()
        api_gateway_pace.keep(session)
        if not session.get_credentials():
            raise NoCredentialsError
        region = session.region_name
        if not region:
            raise NoRegionError
        caller = session.client("sts").get_caller_identity()
        host = urlsplit(session.client("apigateway").meta.endpoint_url).hostname or ""
    suffix = host.partition(f".{region}.")[2]  # each partition of AWS has its own

    def address(api_id: str, api_stage: str) -> str:
        return f"https://{api_id}.execute-api.{region}.{suffix}/{api_stage}"

    return Cloud(
        session, caller["Account"], region, address, api_gateway_pace.keep, operator=caller["Arn"]
    )
