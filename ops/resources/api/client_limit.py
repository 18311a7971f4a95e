"""The limit by client: an AWS WAF web ACL on the API's stage.

An operator may turn it on. The stack makes the web ACL. The API's stage comes later, from Chalice,
so the two are joined here.
"""

from collections.abc import Mapping
from typing import Any

from chalicelib.web.cors import ANY_ORIGIN
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project
from ops.stage.waiting import until
from ops.terminal.progress import Say

FEWEST = 10
"""The lowest limit that AWS WAF takes. Its window is five minutes (EvaluationWindowSec)."""
PRICE = (
    "AWS WAF costs $6.00 a month for a web ACL with one rule, and $0.60 for 1,000,000 requests "
    "(us-east-1, late 2025)"
)
PATIENCE = 300.0
"""Seconds until a new web ACL is known everywhere: WAF says from a few seconds to minutes."""


def origin_of(environment: Mapping[str, str]) -> str:
    """Return the origin whose scripts may read WAF's answer: one, ``*`` for any, empty for none.

    WAF gives every answer the same headers. So if the operator names several origins, any script
    may read it that sends no cookies.
    https://docs.aws.amazon.com/waf/latest/developerguide/customizing-the-response-for-blocked-requests.html
    """
    origins = environment.get("ALLOWED_ORIGINS", "").lower().split()
    return origins[0] if len(origins) == 1 else ANY_ORIGIN if origins else ""


def api_stage_arn(cloud: Cloud, api_id: str, api_stage: str) -> str:
    """Return the ARN of an API's stage, as WAF takes it."""
    partition = cloud.session.get_partition_for_region(cloud.region)
    return f"arn:{partition}:apigateway:{cloud.region}::/restapis/{api_id}/stages/{api_stage}"


def find(wafv2: Any, stage_arn: str) -> dict[str, Any] | None:
    """Return the web ACL of an API's stage; None if it has none."""
    try:
        web_acl: dict[str, Any] | None = wafv2.get_web_acl_for_resource(ResourceArn=stage_arn).get(
            "WebACL"
        )
    except wafv2.exceptions.WAFNonexistentItemException:
        return None
    return web_acl


def check(wafv2: Any, project: Project, stage_arn: str) -> None:
    """Raise DeployError if the API's stage has a web ACL that the operator made."""
    present = find(wafv2, stage_arn)
    if present and present["Name"] != project.full_name:
        raise DeployError(
            f"The API has the web ACL {present['Name']} already, and can have only one. Add a rate "
            "rule to it, and deploy without --per-ip-rate; or remove it from the API."
        )


def associate(wafv2: Any, stage_arn: str, web_acl_arn: str, say: Say) -> None:
    """Put the web ACL on the API's stage. Raises DeployError if WAF does not get to know it."""
    present = find(wafv2, stage_arn)
    if present and present["ARN"] == web_acl_arn:
        say("nothing to change")
        return

    def try_once() -> Any:
        try:
            return wafv2.associate_web_acl(WebACLArn=web_acl_arn, ResourceArn=stage_arn)
        except wafv2.exceptions.WAFUnavailableEntityException:
            say("waiting until WAF knows it everywhere")
            return None

    until(try_once, PATIENCE, _too_slow)
    say("on")


def dissociate(wafv2: Any, project: Project, stage_arn: str, say: Say) -> None:
    """Take our web ACL off the API's stage: none that is in use can be deleted."""
    present = find(wafv2, stage_arn)
    if present and present["Name"] == project.full_name:
        wafv2.disassociate_web_acl(ResourceArn=stage_arn)
        say("off")
    else:
        say("it was off")


def _too_slow() -> DeployError:
    return DeployError(
        f"WAF still does not know the new web ACL after {PATIENCE / 60:.0f} minutes: deploy again."
    )
