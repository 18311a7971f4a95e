"""SES: what it is asked to send, and what each of its errors means for the mail."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from email.header import Header
from email.utils import formataddr
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
)

from chalicelib.mail.message import Mail

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

LINK_TAG = "link"
"""The tag that carries the hash of a mail's link into SES's events."""
KEY_TAGS = ("key", *(f"key-{number}" for number in range(2, 12)))
"""The tags that carry a user's key into SES's events, if the address does not lead to it.

Most keys need the first alone. The longest that DynamoDB takes needs all.
"""

TRIES = 3
"""The tries of a connection. Once SES may have the mail, there is no other try."""

_NEVER_CONNECTED = (EndpointConnectionError, ConnectTimeoutError)
_MAX_ENCODED_WORD = 75  # RFC 2047 §2
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageHeader.html
_MAX_HEADER = 870
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html
_MAX_TAG = 256

# SES says these with MessageRejected, which also stands for a bad message.
# https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
_PAUSED_WORDS = ("paused for this account", "suspended for this account")
_SANDBOX_WORDS = "not verified"
# BadRequestException also stands for these faults of the account.
_ACCOUNT_WORDS = ("configuration set", "configurationset", "tenant")
_QUOTA_WORDS = "quota"

RATE, QUOTA, PAUSED, UNREACHABLE = "rate", "quota", "paused", "unreachable"
"""The reason why SES takes no mail from this account at the moment."""

_WHY = {
    "TooManyRequestsException": RATE,
    "ThrottlingException": RATE,
    "LimitExceededException": QUOTA,
}
_ONE_MAILS_FAULT = ("MessageRejected", "BadRequestException")


class Refused(Exception):
    """SES will never deliver this mail: its address or its content is wrong."""


class Undelivered(Exception):
    """The mail may go later: the account, the service or the network is at fault.

    ``may_have_left`` is False if SES certainly did not take the mail. ``why`` says why SES would
    not take other mails either: RATE, QUOTA, PAUSED or UNREACHABLE. It is empty if SES might.
    """

    def __init__(self, reason: str, *, may_have_left: bool, why: str = "") -> None:
        super().__init__(reason)
        self.may_have_left = may_have_left
        self.why = why


class Account(NamedTuple):
    """The quota of the account: mails a second, and mails left of the last 24 hours."""

    rate: float
    left_today: float
    may_send: bool


class Ses:
    """Sends mail from ``mail_from``.

    ``from_name`` is the sender's name that mailboxes show. ``reply_to`` is the address that answers
    go to, if not to ``mail_from``. The client must make one attempt only: SES cannot recognise a
    repeated request, so a repeat after a lost answer would be a second mail.
    """

    def __init__(
        self,
        client: "SESV2Client",
        mail_from: str,
        configuration_set: str = "",
        *,
        from_name: str = "",
        reply_to: str = "",
    ) -> None:
        self._client = client
        self._request: dict[str, Any] = {"FromEmailAddress": _mailbox(from_name, mail_from)}
        if reply_to:
            self._request["ReplyToAddresses"] = [reply_to]
        if configuration_set:
            self._request["ConfigurationSetName"] = configuration_set

    def send(self, mail: Mail, link_hash: str) -> str:
        """Hand ``mail`` to SES and return SES's id of it. Raises Refused or Undelivered."""
        tags = {LINK_TAG: link_hash, **tags_of(mail.key)}
        request = {
            **self._request,
            "Destination": {"ToAddresses": [mail.to]},
            "Content": {
                "Simple": {
                    "Subject": utf8(mail.subject),
                    "Body": {"Text": utf8(mail.text), "Html": utf8(mail.html)},
                    "Headers": _headers(mail),
                }
            },
            "EmailTags": [{"Name": name, "Value": value} for name, value in tags.items()],
        }
        for tries_left in reversed(range(TRIES)):
            try:
                answer = self._client.send_email(**request)
            except _NEVER_CONNECTED as error:
                if not tries_left:
                    raise Undelivered(
                        type(error).__name__, may_have_left=False, why=UNREACHABLE
                    ) from error
            except ClientError as error:
                raise _meaning(error) from error
            except BotoCoreError as error:
                raise Undelivered(
                    type(error).__name__, may_have_left=True, why=UNREACHABLE
                ) from error
            else:
                return answer.get("MessageId", "")
        raise AssertionError("unreachable: the last try returns or raises")

    def account(self) -> Account:
        """Return what SES lets the account send just now."""
        answer = self._client.get_account()
        quota = answer.get("SendQuota", {})
        most, used = quota.get("Max24HourSend", 0.0), quota.get("SentLast24Hours", 0.0)
        return Account(
            rate=quota.get("MaxSendRate", 0.0),
            left_today=float("inf") if most < 0 else most - used,  # -1 stands for no quota
            may_send=answer.get("SendingEnabled", True)
            and answer.get("EnforcementStatus") != "SHUTDOWN",
        )


def tags_of(key: str) -> dict[str, str]:
    """Return the tags that carry ``key``: SES takes ASCII letters, digits, ``_`` and ``-``."""
    text = urlsafe_b64encode(key.encode()).decode().rstrip("=")
    parts = (text[start : start + _MAX_TAG] for start in range(0, len(text), _MAX_TAG))
    return dict(zip(KEY_TAGS, parts, strict=False))


def key_of(tags: Mapping[str, Any]) -> str:
    """Return the key that an event's ``tags`` carry; empty if they carry none. Raises ValueError.

    SES gives each tag as a list.
    """
    text = "".join(str(part) for name in KEY_TAGS for part in tags.get(name) or ())
    return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def why_refused(reason: str) -> str:
    """Return why SES, which gave ``reason``, would refuse other mails as well; empty if not."""
    code, _, words = reason.partition(":")
    words = words.lower()
    if code in _ONE_MAILS_FAULT:
        is_accounts = any(text in words for text in (*_PAUSED_WORDS, *_ACCOUNT_WORDS))
        return PAUSED if is_accounts and _SANDBOX_WORDS not in words else ""
    return QUOTA if _QUOTA_WORDS in words else _WHY.get(code, PAUSED)


def _meaning(error: ClientError) -> Refused | Undelivered:
    """Return what SES's error says of the mail."""
    code = error.response["Error"]["Code"]
    reason = f"{code}: {error.response['Error'].get('Message', '')}"
    if error.response["ResponseMetadata"].get("HTTPStatusCode", 500) >= 500:
        return Undelivered(reason, may_have_left=True, why=UNREACHABLE)
    why = why_refused(reason)
    if code in _ONE_MAILS_FAULT and not why and _SANDBOX_WORDS not in reason.lower():
        return Refused(reason)
    return Undelivered(reason, may_have_left=False, why=why)


def _headers(mail: Mail) -> list[Any]:
    """Return the mail's own headers: a machine sent it (RFC 3834); one click refuses (RFC 8058)."""
    headers = {"Auto-Submitted": "auto-generated"}
    url = f"<{mail.unsubscribe_url}>"
    if mail.unsubscribe_url and len(url) <= _MAX_HEADER:
        headers |= {"List-Unsubscribe": url, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return [{"Name": name, "Value": value} for name, value in headers.items()]


def _mailbox(name: str, address: str) -> str:
    """Return the header's form: names beyond ASCII in encoded words, others quoted if needed."""
    if name.isascii():
        return formataddr((name, address))
    return f"{Header(name, 'utf-8', _MAX_ENCODED_WORD).encode(linesep='')} <{address}>"


def utf8(text: str) -> Any:
    """Return ``text`` as SES takes it."""
    return {"Data": text, "Charset": "UTF-8"}
