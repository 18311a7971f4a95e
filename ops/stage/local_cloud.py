"""The local cloud as a deploy sees it: one address, its gaps filled."""

import os
import secrets
import string
from dataclasses import dataclass

import boto3
from botocore.session import Session

from chalicelib.settings import LOOPBACK
from ops.stage import api_gateway_pace, local_rest_api, local_waiters
from ops.stage.cloud import Cloud

HOST = "127.0.0.1"
REGION = "eu-west-3"
ACCOUNT = "000000000000"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:root"
_OWN_NAMES = (*LOOPBACK, "[::1]")
"""The names of this machine, to which no proxy leads."""
ABSENT = [{"exists": False}]
"""ministack knows `exists` for an attribute as a whole, not for its type."""


@dataclass(frozen=True)
class Keys:
    """An access key and its secret key."""

    access_key: str
    secret_key: str

    @classmethod
    def random(cls) -> "Keys":
        letters = string.ascii_uppercase + string.digits
        access_key = "LOCAL" + "".join(secrets.choice(letters) for _ in range(15))
        return cls(access_key, secrets.token_urlsafe(30))


ANY = Keys("test", "test")
"""Keys for a local cloud without a guard, which takes any. With IAM, they are its root's."""


def connect(endpoint: str, keys: Keys = ANY) -> Cloud:
    """Return the cloud at ``endpoint``. From now on this process, Chalice in it included, uses that
    cloud and never an account."""
    _know_no_other(endpoint, keys)

    def address(api_id: str, api_stage: str) -> str:
        return f"{endpoint}/restapis/{api_id}/{api_stage}/_user_request_"

    session = boto3.Session()
    api_gateway_pace.keep(session)
    return Cloud(session, ACCOUNT, REGION, address, _prepare, endpoint, ABSENT, OPERATOR)


def _prepare(session: Session) -> None:
    api_gateway_pace.keep(session)
    local_rest_api.prepare(session)
    local_waiters.prepare(session)


def _know_no_other(endpoint: str, keys: Keys) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        {
            # The keys that may do anything there, also where IAM is enforced.
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # pip may still need a proxy, and its exceptions, to download what is packaged.
            "NO_PROXY": ",".join([*_OWN_NAMES, os.environ.get("NO_PROXY", "")]),
            "no_proxy": ",".join([*_OWN_NAMES, os.environ.get("no_proxy", "")]),
        }
    )
