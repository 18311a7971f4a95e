"""An HTTP request to the local cloud or the mailbox, and its AWS signature."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/\d{8}/([^/,\s]+)/([^/,\s]+)/aws4_request,"
    r"\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True)
class Request:
    """A request that was read to its end.

    ``path`` is decoded, ``raw_path`` is as it was sent. Names of headers are in lower case.
    """

    method: str
    path: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def access_key(self) -> str:
        """The access key that the request is signed with; empty if it is not signed."""
        match = _AUTHORIZATION.fullmatch(self.headers.get("authorization", ""))
        return match[1] if match else ""

    def is_signed_with(self, secret_key: str) -> bool:
        """Return True if the signature of everything, body included, is by ``secret_key``."""
        match = _AUTHORIZATION.fullmatch(self.headers.get("authorization", ""))
        date = self.headers.get("x-amz-date", "")
        if not match or not date:
            return False
        access_key, region, service, names, signature = match.groups()
        signed = {name: self.headers.get(name, "") for name in names.split(";")}
        digest = hashlib.sha256(self.body).hexdigest()
        if "host" not in signed or signed.get("x-amz-content-sha256", digest) != digest:
            return False
        url = f"http://{signed['host']}{self.raw_path}"
        request = AWSRequest(self.method, f"{url}?{self.query}" if self.query else url, signed)
        request.data = self.body
        request.context["timestamp"] = date
        auth = SigV4Auth(Credentials(access_key, secret_key), service, region)
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return hmac.compare_digest(auth.signature(text, request), signature)
