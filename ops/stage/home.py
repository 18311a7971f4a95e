"""The account and the region that a stage is in."""

import re

from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project

_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")


def check(project: Project, cloud: Cloud) -> None:
    """Raise DeployError if the stage is deployed in another account or region."""
    if not _STAGE.fullmatch(project.stage):
        raise DeployError(
            f"The stage {project.stage!r} must be letters, digits and hyphens, at most 32 of them: "
            "its stack is named after it."
        )
    if home := find_other(cloud, project.environment.get("USERS_STREAM_ARN", "")):
        raise DeployError(
            f"The stage {project.stage} lives in {home}, but these credentials "
            f"are for {cloud.account}, {cloud.region}: set AWS_PROFILE and AWS_DEFAULT_REGION to "
            "its own, or choose another stage."
        )


def find_other(cloud: Cloud, recorded_stream: str) -> str:
    """Return the account and region of a stage, by its table's stream; empty if ``cloud`` is
    there."""
    arn = recorded_stream.split(":")
    if len(arn) > 5 and (arn[3], arn[4]) != (cloud.region, cloud.account):
        return f"account {arn[4]}, {arn[3]}"
    return ""
