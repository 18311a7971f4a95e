"""The credentials, and the account that they belong to."""

from ops.doctor.check import Check, Finding, green, red
from ops.doctor.facts import Facts
from ops.stage import home


def _account(facts: Facts) -> Finding:
    cloud = facts.stage.cloud
    user = facts.client("sts").get_caller_identity()["Arn"].rpartition(":")[2]
    other = home.find_other(cloud, facts.project.environment.get("USERS_STREAM_ARN", ""))
    if other:
        return red(
            f"{cloud.account}, {cloud.region}, but the stage lives in {other}",
            "Set AWS_PROFILE and AWS_DEFAULT_REGION to those of the stage.",
        )
    return green(f"{cloud.account}, {cloud.region}, as {user}")


CHECKS = (Check("Account", "Credentials", ("sts:GetCallerIdentity",), _account),)
