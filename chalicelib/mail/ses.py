"""Delivery through SES, and the one place that knows which of its errors mean what."""

import threading
from email.header import Header
from email.utils import formataddr
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
)

from chalicelib.mail.message import Mail

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

# How SES says that the account is in the sandbox or may not send: MessageRejected, as for a bad
# message. https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
_OF_THE_ACCOUNT = ("not verified", "paused for this account", "suspended for this account")
_NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError)
_MAX_ENCODED_WORD = 75  # RFC 2047 §2


class Refused(Exception):
    """SES will never deliver this mail: its address or its content is at fault."""


class Undelivered(Exception):
    """The mail may go later: the account, the service or the network is at fault.

    ``left`` is False where SES certainly did not take the mail, so that its link may be forgotten.
    """

    def __init__(self, reason: str, *, left: bool) -> None:
        super().__init__(reason)
        self.left = left


class Delivery:
    """Sends mail from ``mail_from``. An error class that SES does not have fails at the start.

    ``from_name`` is how mailboxes show the sender, ``reply_to`` where an answer goes if not there.
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
        self._sender: dict[str, Any] = {"FromEmailAddress": _mailbox(from_name, mail_from)}
        if reply_to:
            self._sender["ReplyToAddresses"] = [reply_to]
        if configuration_set:
            self._sender["ConfigurationSetName"] = configuration_set
        self._tries = threading.local()
        self._for_good = (client.exceptions.MessageRejected, client.exceptions.BadRequestException)

        client.meta.events.register("needs-retry.sesv2.SendEmail", self._note)

    def send(self, mail: Mail) -> None:
        """Hand ``mail`` to SES. Raises Refused or Undelivered."""
        self._tries.may_have_left = False
        try:
            self._client.send_email(
                **self._sender,
                Destination={"ToAddresses": [mail.to]},
                Content={
                    "Simple": {
                        "Subject": _utf8(mail.subject),
                        "Body": {"Text": _utf8(mail.text), "Html": _utf8(mail.html)},
                    }
                },
            )
        except self._for_good as error:
            reason = _reason(error)
            if any(words in reason for words in _OF_THE_ACCOUNT):
                raise Undelivered(reason, left=self._tries.may_have_left) from error
            raise Refused(reason) from error
        except ClientError as error:
            raise Undelivered(_reason(error), left=self._tries.may_have_left) from error
        except BotoCoreError as error:
            raise Undelivered(type(error).__name__, left=self._tries.may_have_left) from error

    def _note(
        self, response: tuple[Any, Any] | None, caught_exception: Exception | None, **_: object
    ) -> None:
        """Remember of each try, also of those that botocore repeats, whether SES may have taken it.

        A refusal, 4xx, and a connection that was never made are certain; nothing else is.
        """
        refused = response is not None and 400 <= response[0].status_code < 500
        if not refused and not isinstance(caught_exception, _NEVER_SENT):
            self._tries.may_have_left = True


def _mailbox(name: str, address: str) -> str:
    """As a header has it: a name that is not ASCII in encoded words, in quotes if it needs them."""
    if name.isascii():
        return formataddr((name, address))
    return f"{Header(name, 'utf-8', _MAX_ENCODED_WORD).encode(linesep='')} <{address}>"


def _reason(error: ClientError) -> str:
    """The error in SES's words, which may name an address: for the item, never for a log."""
    return f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"


def _utf8(text: str) -> Any:
    return {"Data": text, "Charset": "UTF-8"}
