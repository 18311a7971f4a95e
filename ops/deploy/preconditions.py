"""Preconditions of a deploy: a stage that cannot work is refused at once."""

import re
from collections.abc import Mapping

from ops.resources.functions.event_invoke_config import DRAIN
from ops.stage import home, samples
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project

LONGEST_NAME = 64
"""The most characters of a function's, a rule's or a configuration set's name on AWS."""

_APP = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def check(cloud: Cloud, project: Project) -> None:
    """Raise DeployError unless the stage may live in ``cloud``, under the names it would have."""
    project.check_writable()
    home.check(project, cloud)
    check_app(project)
    check_names(project)
    check_region(cloud)


def check_app(project: Project) -> None:
    """Raise DeployError if the app got another name: its users would stay behind."""
    if not _APP.fullmatch(project.app_name):
        raise DeployError(
            f"The app_name {project.app_name!r} must be letters, digits and hyphens, a letter "
            "first: the stack of each stage is named after it."
        )
    table = project.environment.get("USERS_TABLE", "")
    if table and table != project.users_table:
        raise DeployError(
            f"The stage {project.stage} has its users in {table}, but with the app_name "
            f"{project.app_name} it would get an empty table {project.users_table}: put the "
            "app_name in .chalice/config.json back as it was."
        )


def check_names(project: Project) -> None:
    """Raise DeployError if AWS would refuse the longest name that the stage's resources get."""
    longest = max(names(project), key=len)
    if (excess := len(longest) - LONGEST_NAME) > 0:
        raise DeployError(
            f"The name {longest} is {excess} characters too long for AWS, which allows "
            f"{LONGEST_NAME}: choose a shorter stage, or a shorter app_name for an app that has no "
            "stage yet."
        )


def names(project: Project) -> list[str]:
    """Return the names of at most 64 characters that the stage's resources get."""
    functions = [project.function(name) for name in project.named_functions()]
    rule = f"{project.function(DRAIN)}-event"  # Chalice's name of what calls it by the clock
    return [*functions, rule, project.full_name]


def check_region(cloud: Cloud) -> None:
    """Raise DeployError if SES is not in the cloud's region."""
    if cloud.endpoint:
        return
    partition = cloud.session.get_partition_for_region(cloud.region)
    regions = cloud.session.get_available_regions("sesv2", partition)
    if cloud.region not in regions:
        near = [region for region in regions if region[:2] == cloud.region[:2]]
        others = f"for instance {', '.join(near or regions)}" if regions else "outside China"
        raise DeployError(
            f"Amazon SES is not in {cloud.region}, so no stage can send mail. Nothing was created. "
            f"Set AWS_DEFAULT_REGION to a region that has it, {others}."
        )


def check_settings(environment: Mapping[str, str]) -> None:
    """Raise OpsError for settings that the functions would refuse, and for templates of the stage's
    own that cannot be filled."""
    given = {name: value for name, value in environment.items() if value}
    samples.make(samples.read(given))
