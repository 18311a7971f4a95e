"""A stage's settings in Parameter Store, for checkouts that have none.

The stage's own file is in no repository, so a colleague's checkout and CI have none. Secrets are
references in it, so it holds none.
"""

import json
from typing import Any

from ops.stage import parameter_store
from ops.stage.project import Project

NAME = "settings"


def download(ssm: Any, project: Project) -> bool:
    """Give a checkout that never deployed the stage its settings. Return True if it has them now.

    What stands in the stage's own file already stays.
    """
    if not project.environment.get("USERS_TABLE"):
        name = project.parameter(NAME)
        if copy := parameter_store.read(ssm, [name]).get(name):
            project.take_over(json.loads(copy))
    return bool(project.environment.get("USERS_TABLE"))


def upload(ssm: Any, project: Project) -> None:
    """Make the copy what the stage's own file says; there is none without the file."""
    name = project.parameter(NAME)
    if not project.own_settings():
        parameter_store.remove(ssm, [name])
        return
    copy = json.dumps(project.own_settings(), separators=(",", ":"), ensure_ascii=False)
    if parameter_store.read(ssm, [name]).get(name) != copy:
        parameter_store.write_text(ssm, name, copy)
