"""AWS's errors as sentences: what happened, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

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
# What AWS answers to a request that was signed at another time than its own.
_CLOCK = ("Signature expired", "Signature not yet current", "request time")
_FORBIDDEN = frozenset(
    ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")
)


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Raise a DeployError that says what to do, for whatever botocore raises inside."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise DeployError(
            "There are no AWS credentials here: set AWS_PROFILE, or run: aws configure"
        ) from error
    except NoRegionError as error:
        raise DeployError(
            "There is no AWS region: set AWS_DEFAULT_REGION, such as eu-west-3."
        ) from error
    except ProfileNotFound as error:
        raise DeployError(
            f"{error}: set AWS_PROFILE to one of those that `aws configure list-profiles` lists."
        ) from error
    except (SSOError, TokenRetrievalError, LoginError, CredentialRetrievalError) as error:
        raise DeployError(
            f"These AWS credentials cannot be loaded ({_line(error)}): log in again, for example: "
            "aws sso login"
        ) from error
    except (NoConnection, HTTPClientError) as error:
        if nowhere := _nothing_here(error):
            raise DeployError(
                f"Nothing runs at {nowhere}: start the local cloud with "
                f"PORT={urlsplit(nowhere).port or 80} make run, or unset AWS_ENDPOINT_URL."
            ) from error
        raise DeployError(
            f"AWS did not answer ({_line(error)}): check the network and the region's name."
        ) from error
    except BotoCoreError as error:
        raise DeployError(f"AWS could not be asked: {_line(error)}.") from error
    except ClientError as error:
        raise DeployError(_words(error)) from error


def is_forbidden(error: ClientError) -> bool:
    """Return True if a permission is missing."""
    return error.response["Error"]["Code"] in _FORBIDDEN


def is_unaccepted(error: ClientError) -> bool:
    """Return True if AWS no longer takes the credentials, for anything."""
    return error.response["Error"]["Code"] in _BAD_CREDENTIALS


def _nothing_here(error: Exception) -> str:
    """Return the address on this machine where nothing listens; empty for another error."""
    endpoint = urlsplit(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    is_here = isinstance(error, EndpointConnectionError) and endpoint.hostname in LOOPBACK
    return f"{endpoint.scheme}://{endpoint.netloc}" if is_here else ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _words(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    message = error.response["Error"].get("Message", code).rstrip(".")
    if any(words in message for words in _CLOCK):
        return (
            f"AWS does not accept the time of this machine ({message}): set its clock, for "
            "example: sudo timedatectl set-ntp true"
        )
    if is_unaccepted(error):
        return f"AWS does not accept these credentials ({message}): renew them, or set AWS_PROFILE."
    if is_forbidden(error):
        return f"These credentials may not {error.operation_name} ({message}): use others that may."
    return f"AWS refused {error.operation_name}: {message} ({code})."
