"""The preview's mails, sent to the operator's own mailbox."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from chalicelib.mail.ses import utf8
from chalicelib.settings import Settings
from ops.stage.aws_errors import in_plain_words
from ops.stage.samples import Specimen

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

PAUSE = 1.1  # seconds between two mails: a new account may send one a second


def send(
    client: "SESV2Client",
    stage: Settings,
    specimens: Iterable[Specimen],
    to: str,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Send each mail of ``specimens`` to the address ``to``, and return their number.

    The subject starts with the language and the name of the specimen. Raises DeployError.
    """
    count = 0
    with in_plain_words():
        for specimen in specimens:
            if specimen.mail is None:
                continue
            if count:
                pause(PAUSE)
            subject = f"[{specimen.lang} {specimen.name}] {specimen.mail.subject}"
            body: Any = {"Text": utf8(specimen.mail.text), "Html": utf8(specimen.mail.html)}
            client.send_email(
                FromEmailAddress=stage.mail_from,
                Destination={"ToAddresses": [to]},
                Content={"Simple": {"Subject": utf8(subject), "Body": body}},
            )
            count += 1
    return count
