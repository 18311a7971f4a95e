"""The stage's own domain, its certificate, and its mapping to the API.

A certificate is issued once its owner has made a DNS record, so this takes several deploys. Each
does what can be done, says which record is missing, and the next one goes on. Links change to the
domain when it answers, and the API's own address is switched off when no link can lead there any
more.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from ops.resources.api.rest_api import TAG
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project
from ops.stage.waiting import until
from ops.terminal.progress import Say

ROOT = "(none)"
"""API Gateway's name for the mapping of a whole domain."""
KEY_TYPES = ("RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1")
"""The keys of certificates that API Gateway takes; ACM lists RSA_2048 alone unless it is asked."""
LIFE_OF_A_LINK = timedelta(hours=24)
PATIENCE = 30.0
LATER = (
    "Deploy again tomorrow: that switches off the API's own address. Until then, links that were "
    "mailed before still use it."
)
_NAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.){2,}[a-z]{2,63}")

Answers = Callable[[str], bool]
"""Returns True if the API answers at an address."""


def check(name: str) -> str:
    """Return ``name`` in lower case. Raises DeployError unless it is a subdomain, in ASCII."""
    name = name.lower().rstrip(".")
    if not _NAME.fullmatch(name):
        raise DeployError(
            f"The domain {name!r} must be a subdomain in ASCII, such as hello.example.org: "
            "a bare domain cannot be a CNAME, and xn-- stands for other scripts."
        )
    return name


@dataclass(frozen=True)
class CustomDomain:
    """The domain ``name`` of the stage of ``project``."""

    cloud: Cloud
    project: Project
    name: str

    @property
    def url(self) -> str:
        return f"https://{self.name}"

    def is_ready(self, api_id: str, answers: Answers) -> bool:
        """Return True if the domain leads to the API. On the local cloud its mapping is enough."""
        if not self._is_mapped(api_id):
            return False
        return bool(self.cloud.endpoint) or answers(f"{self.url}/openapi.json")

    def ensure(self, api_id: str, say: Say) -> list[str]:
        """Go as far as the certificate allows. Return what is left to do, in paragraphs."""
        certificate = self._certificate()
        if certificate["Status"] != "ISSUED":
            return self._wait_for(certificate, say)
        described = self._domain(certificate["CertificateArn"])
        if not self._is_mapped(api_id):
            self._map(api_id)
        say(f"{self.name} leads to the API")
        record = f"{self.name}  CNAME  {described['regionalDomainName']}"
        how = f"Let {self.name} lead to the API: add this record to its DNS, then deploy again."
        return [f"{how}\n  {record}"]

    def switch_off_own_address(self, api_id: str, *, off: bool, say: Say) -> None:
        """Let the API answer at the domain alone, or also at the address that AWS gave it."""
        gateway = self._gateway
        if gateway.get_rest_api(restApiId=api_id).get("disableExecuteApiEndpoint", False) == off:
            say(f"the API answers at {self.name}" + (" alone" if off else " and its own address"))
            return
        gateway.update_rest_api(
            restApiId=api_id,
            patchOperations=[
                {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": str(off).lower()}
            ],
        )
        gateway.create_deployment(restApiId=api_id, stageName=self.project.api_stage)
        say("the API's own address is switched " + ("off" if off else "on again"))

    def remove(self, say: Say) -> None:
        """Remove the domain and its certificate, if they are the stage's."""
        removed = False
        try:
            described = self._gateway.get_domain_name(domainName=self.name)
        except self._gateway.exceptions.NotFoundException:
            described = {}
        if described.get("tags", {}).get(TAG) == self.project.full_name:
            self._gateway.delete_domain_name(domainName=self.name)  # its mappings go with it
            removed = True
        acm = self._acm
        for certificate in self._certificates():
            arn = certificate["CertificateArn"]
            tags = acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
            if {"Key": TAG, "Value": self.project.full_name} in tags:
                acm.delete_certificate(CertificateArn=arn)
                removed = True
        say(f"{self.name} removed" if removed else "nothing to remove")

    @property
    def _gateway(self) -> Any:
        return self.cloud.session.client("apigateway")

    @property
    def _acm(self) -> Any:
        return self.cloud.session.client("acm")

    def _certificates(self) -> list[Any]:
        """Return the region's certificates for the domain, issued ones first."""
        certificates: list[Any] = []
        for status in ("ISSUED", "PENDING_VALIDATION"):
            pages = self._acm.get_paginator("list_certificates").paginate(
                CertificateStatuses=[status],
                Includes={"keyTypes": list(KEY_TYPES)},
            )
            listed = [
                certificate for page in pages for certificate in page["CertificateSummaryList"]
            ]
            own, parent = self.name, f"*.{self.name.partition('.')[2]}"
            certificates += [
                certificate for certificate in listed if certificate["DomainName"] == own
            ]
            if status == "ISSUED":
                certificates += [
                    certificate for certificate in listed if certificate["DomainName"] == parent
                ]
        return certificates

    def _certificate(self) -> Any:
        certificates = self._certificates()
        arn = (
            certificates[0]["CertificateArn"]
            if certificates
            else self._acm.request_certificate(
                DomainName=self.name,
                ValidationMethod="DNS",
                IdempotencyToken=re.sub(r"\W", "", self.name)[:32],
                Tags=[{"Key": TAG, "Value": self.project.full_name}],
            )["CertificateArn"]
        )
        # The record that ACM waits for is known some seconds after the request.
        return until(lambda: self._described(arn), PATIENCE, self._too_slow)

    def _described(self, arn: str) -> Any:
        described = self._acm.describe_certificate(CertificateArn=arn)["Certificate"]
        known = described["Status"] == "ISSUED" or all(
            "ResourceRecord" in option for option in described.get("DomainValidationOptions", [{}])
        )
        return described if known else None

    def _too_slow(self) -> DeployError:
        return DeployError("ACM has not yet said which record it needs: deploy again.")

    def _wait_for(self, certificate: Any, say: Say) -> list[str]:
        status = certificate["Status"].lower().replace("_", " ")
        say(f"the certificate of {self.name} is not issued yet ({status})")
        records = "".join(
            "\n  {Name}  {Type}  {Value}".format(**option["ResourceRecord"])
            for option in certificate["DomainValidationOptions"]
        )
        how = f"Prove that {self.name} is yours: add this record to its DNS, and keep it there."
        return [f"{how} Then deploy again.{records}"]

    def _domain(self, certificate: str) -> Any:
        """Return the domain as API Gateway describes it, made if there is none."""
        gateway = self._gateway
        try:
            described = gateway.get_domain_name(domainName=self.name)
        except gateway.exceptions.NotFoundException:
            return gateway.create_domain_name(
                domainName=self.name,
                regionalCertificateArn=certificate,
                endpointConfiguration={"types": ["REGIONAL"]},
                securityPolicy="TLS_1_2",
                tags={TAG: self.project.full_name},
            )
        if described.get("tags", {}).get(TAG) != self.project.full_name:
            raise DeployError(
                f"API Gateway has {self.name} already, for something else: delete it there, or "
                "choose another --domain."
            )
        if described.get("regionalCertificateArn") != certificate:
            described = gateway.update_domain_name(
                domainName=self.name,
                patchOperations=[
                    {"op": "replace", "path": "/regionalCertificateArn", "value": certificate}
                ],
            )
        return described

    def _is_mapped(self, api_id: str) -> bool:
        mapping = self._mapping()
        return (mapping.get("restApiId"), mapping.get("stage")) == (api_id, self.project.api_stage)

    def _mapping(self) -> Any:
        gateway = self._gateway
        try:
            return gateway.get_base_path_mapping(domainName=self.name, basePath=ROOT)
        except gateway.exceptions.NotFoundException:
            return {}

    def _map(self, api_id: str) -> None:
        gateway, stage = self._gateway, self.project.api_stage
        if self._mapping():  # of an API that was there before
            gateway.delete_base_path_mapping(domainName=self.name, basePath=ROOT)
        gateway.create_base_path_mapping(domainName=self.name, restApiId=api_id, stage=stage)


def removal_hint(former: str, aws: Callable[[str], str]) -> str:
    """Return how to be rid of a ``former`` domain. Mailed links lead there for a day."""
    command = aws(f"apigateway delete-domain-name --domain-name {former}")
    return (
        f"{former} still leads to the API, for links that were mailed. Delete it in a day:\n"
        f"{command}"
    )


def is_answering(url: str) -> bool:
    """Return True if ``url`` answers with 200, by a certificate for its name."""
    session = URLLib3Session(proxies=get_environ_proxies(url), timeout=10)
    try:
        answer = session.send(AWSRequest("GET", url).prepare())
        return bool(answer.status_code == HTTPStatus.OK)
    except (NoConnection, HTTPClientError):
        return False
    finally:
        session.close()


def may_switch_off(since: str, now: datetime) -> bool:
    """Return True if no link to the API's own address lives any more.

    ``since`` is when links began to lead to the domain, in ISO 8601; empty if they always did.
    """
    return not since or now - datetime.fromisoformat(since) >= LIFE_OF_A_LINK
