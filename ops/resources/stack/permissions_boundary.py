"""The permissions boundary of a stage's roles.

An administrator makes it once, of docs/policies/boundary.json. Those who deploy by
docs/policies/deploy.json may make no role without it, and so give none more than it allows.
"""

from typing import Any

from ops.stage.cloud import Cloud
from ops.stage.project import Project


def find(iam: Any, cloud: Cloud, project: Project) -> str:
    """Return the ARN of the app's boundary; empty if the account has none."""
    partition = cloud.session.get_partition_for_region(cloud.region)
    arn = f"arn:{partition}:iam::{cloud.account}:policy/{project.app_name}-boundary"
    try:
        iam.get_policy(PolicyArn=arn)
    except iam.exceptions.NoSuchEntityException:
        return ""
    return arn
