"""A stage with a limit by client, behind the web ACL that it ships."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from ops.resources.api import client_limit
from ops.resources.stack import stack
from ops.run import local_stack
from ops.stage import local_stage
from ops.stage.local_cloud import ANY, REGION
from ops.stage.project import Project
from tests.e2e import deploying
from tests.e2e.stack import ROOT
from tests.support import local_cloud, web_acl
from tests.support.web_acl import Firewall


@dataclass(frozen=True)
class Limited:
    """What an attack has to know of the stage. ``api`` is the firewall's address."""

    api: str
    table: str
    firewall: Firewall
    endpoint: str

    def client(self, service: str) -> Any:
        return _client(self.endpoint, service)


@contextmanager
def running(folder: Path, checked_every: float = web_acl.CHECKED_EVERY) -> Iterator[Limited]:
    """Yield a stage of ``deploy --per-ip-rate 30``, with its files under ``folder``.

    It allows the pages of deploying.SHOP.
    """
    with local_cloud.running(folder / "cloud.log") as endpoint:
        project = Project(folder / "project", local_stage.STAGE)
        local_stack.copy(ROOT, project.folder)
        ses = _client(endpoint, "sesv2")
        ses.create_email_identity(EmailIdentity=local_stack.MAIL_FROM)
        done = deploying.run(endpoint, project.folder, "embedded-limit")
        if done.returncode:
            raise AssertionError(done.stdout)
        api, table = (project.environment[name] for name in ("BASE_URL", "USERS_TABLE"))
        with web_acl.enforced(_web_acl(endpoint), api, checked_every) as firewall:
            yield Limited(firewall.api, table, firewall, endpoint)


def _web_acl(endpoint: str) -> dict[str, Any]:
    """Return the web ACL of the deployed API's stage."""
    (api,) = _client(endpoint, "apigateway").get_rest_apis()["items"]
    stage_arn = f"arn:aws:apigateway:{REGION}::/restapis/{api['id']}/stages/api"
    found = client_limit.find(_client(endpoint, "wafv2"), stage_arn)
    if found is None:
        raise AssertionError("the deployed API has no web ACL")
    # The local cloud's CloudFormation forgets them, and AWS's does not.
    (template,) = stack.properties("AWS::WAFv2::WebACL", {"LimitsClients": "true"}).values()
    return {"CustomResponseBodies": template["CustomResponseBodies"], **found}


def _client(endpoint: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ANY.access_key,
        aws_secret_access_key=ANY.secret_key,
    )
