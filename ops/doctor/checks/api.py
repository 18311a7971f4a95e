"""The address of the API, which links lead to."""

import json
from datetime import timedelta
from urllib.parse import urlsplit

from ops.doctor import http
from ops.doctor.check import Check, Finding, amber, green, grey, red
from ops.doctor.facts import Facts
from ops.resources.api import client_limit, rest_api


def _answers(facts: Facts) -> Finding:
    base_url = facts.stage.base_url
    try:
        answer = http.get(f"{base_url}/openapi.json")
    except http.NoAnswer as error:
        return red(
            str(error).rstrip("."),
            "Links lead there. Check its DNS, its certificate and any proxy in front of the API, "
            "or deploy with another BASE_URL.",
        )
    expected = json.loads(
        (facts.checkout / "chalicelib" / "openapi.json").read_text(encoding="utf-8")
    )
    answered = answer.json()
    text = f"{base_url} answers in {answer.seconds * 1000:.0f} ms"
    if answer.status == 200 and answered == expected:
        return green(text)
    if answer.status == 200 and _title(answered) == _title(expected):
        return amber(f"{text}, but with another version than this checkout", *facts.deploy_again)
    return red(
        f"{base_url} answers {answer.status}, but not as this app",
        "Links lead there. Check what is in front of the API, and the setting BASE_URL.",
    )


def _title(description: object) -> object:
    """Return the title of an OpenAPI document; None for anything else."""
    info = description.get("info") if isinstance(description, dict) else None
    return info.get("title") if isinstance(info, dict) else None


def _only(facts: Facts) -> Finding:
    doubles = rest_api.find_doubles(
        facts.client("apigateway"), facts.client("lambda"), facts.project
    )
    if not doubles:
        return green("no other API serves the stage")
    return amber(
        f"another API serves the stage: {', '.join(doubles)}",
        "A `chalice deploy` made it, in a checkout without Chalice's record. No mail leads there. "
        "Delete it.",
        facts.stage.cloud.aws(f"apigateway delete-rest-api --rest-api-id {doubles[0]}"),
    )


def _own_address(facts: Facts) -> Finding:
    """Look if a web ACL or a firewall in front of the own domain can be gone around."""
    host = urlsplit(facts.stage.base_url).hostname or ""
    if facts.stage.cloud.endpoint:
        return grey("the local cloud has no domains")
    if ".execute-api." in host:
        return green("it is where links lead")
    gateway = facts.client("apigateway")
    api_id = rest_api.find(gateway, facts.project)
    if api_id is None:
        return red("there is no API", *facts.deploy_again)
    if gateway.get_rest_api(restApiId=api_id).get("disableExecuteApiEndpoint"):
        return green(f"switched off: {host} is the only way in")
    try:
        gateway.get_domain_name(domainName=host)
    except gateway.exceptions.NotFoundException:
        return green(f"your proxy at {host} needs it, unless it has another way to the API")
    return amber(
        f"the API also answers at its execute-api address, which bypasses the firewall of {host}",
        "Deploy with the domain. That switches the other address off once the domain answers.",
        facts.stage.ops(f"deploy --domain {host}"),
    )


def _client_limit(facts: Facts) -> Finding:
    limit = int(facts.parameter("PerIpRate") or 0)
    if not limit:
        return green("none: deploy --per-ip-rate turns it on")
    api_id = rest_api.find(facts.client("apigateway"), facts.project)
    stage_arn = client_limit.api_stage_arn(
        facts.stage.cloud, api_id or "none", facts.project.api_stage
    )
    present = client_limit.find(facts.client("wafv2"), stage_arn)
    if present is None or present["ARN"] != facts.output("ClientLimitArn"):
        return red("AWS WAF is not in front of the API", *facts.deploy_again)
    now = facts.now()
    refused = facts.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/WAFV2",
        MetricName="BlockedRequests",
        Dimensions=[
            {"Name": "WebACL", "Value": facts.project.full_name},
            {"Name": "Region", "Value": facts.stage.cloud.region},
            {"Name": "Rule", "Value": "posts"},
        ],
        StartTime=now - timedelta(days=1),
        EndTime=now,
        Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    count = sum(int(point.get("Sum", 0)) for point in refused)
    return green(
        f"{limit} POSTs of one IP address in five minutes; {count:,} requests refused in 24 h"
    )


def _links(facts: Facts) -> Finding:
    setting = facts.project.environment.get("VALIDATE_ON_GET", "")
    if setting.strip() == "true":
        return amber(
            "VALIDATE_ON_GET=true: opening a link validates the address",
            "Mail scanners open links too, so an address may be validated without its owner. Set "
            "VALIDATE_ON_GET to same-browser, then deploy.",
        )
    return green("a button, or the browser that signed up, validates")


CHECKS = (
    Check("API", "Answer", (), _answers),
    Check("API", "Only one", ("apigateway:GET", "lambda:GetPolicy"), _only),
    Check("API", "Own address", ("apigateway:GET",), _own_address),
    Check(
        "API",
        "Limit by client",
        (
            "apigateway:GET",
            "cloudformation:DescribeStacks",
            "cloudwatch:GetMetricStatistics",
            "wafv2:GetWebACL",
            "wafv2:GetWebACLForResource",
        ),
        _client_limit,
    ),
    Check("API", "Links", (), _links),
)
