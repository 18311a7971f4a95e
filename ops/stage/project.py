"""A stage in Chalice's own files: config.json and deployed/.

Chalice reads both; anything in them that is not named here is kept as it is.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ops.stage import json_files
from ops.stage.errors import DeployError, OpsError

CHECKOUT = Path(__file__).parents[2]
OPS = "./bienvenue"
"""The command line that messages print. It needs no activated venv."""


class Project:
    """The Chalice project in ``folder``, for one of its stages."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.folder = folder
        self.stage = stage
        self._config = folder / ".chalice" / "config.json"
        self._deployed = folder / ".chalice" / "deployed" / f"{stage}.json"
        self._packages = folder / ".chalice" / "deployments"

    def config(self) -> dict[str, Any]:
        """Return all of config.json. Raises DeployError if there is none."""
        try:
            return json_files.read(self._config)
        except FileNotFoundError as error:
            raise DeployError(
                f"There is no {self._config}: run this in the project's own folder."
            ) from error

    @property
    def app_name(self) -> str:
        name = self.config().get("app_name")
        if not name:
            raise DeployError(f"{self._config} has no app_name: give it one.")
        return str(name)

    @property
    def api_stage(self) -> str:
        """Return the name of the REST API's stage, which is none of Chalice's stages."""
        config = self.config()
        return str(
            self._stage_of(config).get("api_gateway_stage")
            or config.get("api_gateway_stage")
            or "api"
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return what the stage's functions find in their environment.

        Raises DeployError for a value that is not a text, which Lambda does not take.
        """
        config = self.config()
        settings: dict[str, Any] = {}
        for part in (config, self._stage_of(config)):
            own = part.get("environment_variables", {})
            if not isinstance(own, dict):
                raise DeployError(
                    f"The environment_variables in {self._config} must be an object, such as "
                    '{"DEFAULT_LANG": "en"}.'
                )
            settings |= own
        for name, value in settings.items():
            if not isinstance(value, str):
                raise DeployError(
                    f"The setting {name} in {self._config} must be a text in quotes, but it is "
                    f"{json.dumps(value)}: "
                    + ("take it out." if value is None else f'write "{json.dumps(value)}".')
                )
        return settings

    def check_writable(self) -> None:
        """Raise DeployError unless what a deploy records can be written here."""
        for folder in (self._config.parent, self._deployed.parent, self._packages):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise DeployError(
                    f"Nothing can be written into {folder} ({error.strerror}), so a deploy could "
                    "not record what it made. Nothing was made. Deploy from a checkout that can be "
                    "written."
                ) from error

    @property
    def roles(self) -> dict[str, str]:
        """Return the ARN of the role that each of the stage's functions runs under."""
        functions = self._stage_of(self.config()).get("lambda_functions", {})
        roles = {name: own.get("iam_role_arn") for name, own in functions.items()}
        return {name: role for name, role in roles.items() if role}

    @property
    def full_name(self) -> str:
        """Return the app and the stage: the names of all resources of the stage start with it."""
        return f"{self.app_name}-{self.stage}"

    @property
    def users_table(self) -> str:
        """Return the name of the stage's table of users."""
        return f"{self.full_name}-users"

    @property
    def limits_table(self) -> str:
        """Return the name of the stage's table of limits."""
        return f"{self.full_name}-limits"

    @property
    def mail_feedback_topic(self) -> str:
        """Return the name of the topic that SES reports to."""
        return f"{self.full_name}-mail-feedback"

    def function(self, name: str) -> str:
        """Return Lambda's name of the function that Chalice calls ``name``."""
        return self.full_name if name == "api_handler" else f"{self.full_name}-{name}"

    def record(self, environment: Mapping[str, str], roles: Mapping[str, str]) -> None:
        """Write the stage's settings and its functions' role ARNs into config.json.

        Both stand in the stage, where Chalice looks first, so nothing else can override them.
        """
        config = self.config()
        before = json_files.dumps(config)
        stage = config.setdefault("stages", {}).setdefault(self.stage, {})
        stage.setdefault("environment_variables", {}).update(environment)
        functions = stage.setdefault("lambda_functions", {})
        for name, role in roles.items():
            functions.setdefault(name, {})["iam_role_arn"] = role
        if json_files.dumps(config) != before:
            json_files.write(self._config, config)

    def erase(self, settings: Collection[str]) -> None:
        """Take back what ``record`` wrote, these ``settings`` and all roles, and what Chalice
        recorded. What a person wrote stays; an entry with nothing left in it goes."""
        config = self.config()
        before = json_files.dumps(config)
        stage = self._stage_of(config)
        _pop(stage.get("environment_variables", {}), settings)
        for function in stage.get("lambda_functions", {}).values():
            _pop(function, ["iam_role_arn"])
        if "stages" in config:
            config["stages"][self.stage] = _without_nothing(stage)
            config["stages"] = {
                name: one for name, one in config["stages"].items() if one or name != self.stage
            }
        if json_files.dumps(config) != before:
            json_files.write(self._config, config)
        self._deployed.unlink(missing_ok=True)

    def unset(self, settings: Collection[str]) -> None:
        """Take the stage's own ``settings`` out of config.json."""
        config = self.config()
        before = json_files.dumps(config)
        _pop(self._stage_of(config).get("environment_variables", {}), settings)
        if json_files.dumps(config) != before:
            json_files.write(self._config, config)

    def named_functions(self) -> list[str]:
        """Return the functions that config.json or Chalice's record names, deployed or not."""
        config = self.config()
        named = (config, self._stage_of(config))
        configured = [name for one in named for name in one.get("lambda_functions", {})]
        return list(dict.fromkeys([*configured, *self.functions()]))

    def functions(self) -> list[str]:
        """Return the functions that are deployed, by their names in app.py."""
        kind = "lambda_function"
        return [one["name"] for one in self._resources() if one["resource_type"] == kind]

    def resource(self, name: str) -> dict[str, Any] | None:
        """Return the resource ``name`` as Chalice recorded it; None if it did not."""
        return next((one for one in self._resources() if one["name"] == name), None)

    def keep(self, resource: Mapping[str, Any]) -> None:
        """Record ``resource``, so that Chalice takes it for its own."""
        others = [one for one in self._resources() if one["name"] != resource["name"]]
        self._write_resources([*others, dict(resource)])

    def replace(self, resources: Iterable[Mapping[str, Any]]) -> None:
        """Record these resources and no others as deployed by Chalice."""
        self._write_resources([dict(one) for one in resources])

    def forget(self, name: str) -> None:
        """Remove ``name`` from Chalice's record."""
        resources = self._resources()
        others = [one for one in resources if one["name"] != name]
        if others != resources:
            self._write_resources(others)

    def _stage_of(self, config: Mapping[str, Any]) -> dict[str, Any]:
        stages = config.get("stages", {})
        stage = stages.get(self.stage, {}) if isinstance(stages, dict) else None
        if not isinstance(stage, dict):
            raise DeployError(f"The stages in {self._config} must be objects, each by its name.")
        return stage

    def _resources(self) -> list[dict[str, Any]]:
        # Chalice writes this file in place, so a killed deploy may leave half of it. Nothing is
        # lost with it: all that it says can be looked up again.
        try:
            found: list[dict[str, Any]] = json_files.read(self._deployed).get("resources", [])
        except (FileNotFoundError, OpsError):
            return []
        return found

    def _write_resources(self, resources: list[dict[str, Any]]) -> None:
        # The versions that Chalice 1.34 writes and expects (chalice/deploy/deployer.py).
        content = {"resources": resources, "schema_version": "2.0", "backend": "api"}
        json_files.write(self._deployed, content)


def _pop(values: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        values.pop(name, None)


def _without_nothing(content: dict[str, Any]) -> dict[str, Any]:
    """``content`` without the objects in it, and in those, that hold nothing."""
    kept = {
        name: _without_nothing(value) if isinstance(value, dict) else value
        for name, value in content.items()
    }
    return {name: value for name, value in kept.items() if value != {}}
