"""A stage's files in the checkout: its settings, and Chalice's record of it.

Chalice's own `.chalice/config.json` holds what all stages share. A stage's settings are in a file
of its own, `stages/<stage>.json`, which git ignores: no pull touches it, and no deploy touches a
file that git knows. Chalice's record, `.chalice/deployed/<stage>.json`, is what the stage became.
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ops.stage import json_files
from ops.stage.errors import DeployError, OpsError

CHECKOUT = Path(__file__).parents[2]
STAGES = "stages"
"""The folder of the stages' own files."""
DEFAULT_STAGE = "dev"
"""Chalice's own choice. config.json names it from the start, without settings."""
OPS = "./bienvenue"
"""The command line that messages print. It needs no activated venv."""


class Project:
    """The Chalice project in ``folder``, for one of its stages."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.folder = folder
        self.stage = stage
        self._config = folder / ".chalice" / "config.json"
        self.own = folder / STAGES / f"{stage}.json"
        self._deployed = folder / ".chalice" / "deployed" / f"{stage}.json"
        self._packages = folder / ".chalice" / "deployments"

    def config(self) -> dict[str, Any]:
        """Return config.json with the stage's own file in it. Raises DeployError if there is no
        config.json."""
        config = self._shared()
        if own := self._own():
            config["stages"] = {
                **config.get("stages", {}),
                self.stage: _merged(self._stage_of(config), own),
            }
        return config

    def config_with(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return ``config``, with ``environment`` as all of the stage's settings."""
        config = self.config()
        stage = {**self._stage_of(config), "environment_variables": dict(environment)}
        return {**config, "stages": {**config.get("stages", {}), self.stage: stage}}

    def known_stages(self) -> list[str]:
        """Return the stages that have settings in this checkout."""
        own = {path.stem for path in (self.folder / STAGES).glob("*.json")}
        return sorted(
            own | {name for name, settings in self._shared().get("stages", {}).items() if settings}
        )

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
        """Return the stage's settings. Those that are secret may be references to Parameter Store.

        Raises DeployError for a value that is not a text, which Lambda does not take.
        """
        config = self._shared()
        settings: dict[str, Any] = {}
        for path, part in (
            (self._config, config),
            (self._config, self._stage_of(config)),
            (self.own, self._own()),
        ):
            own = part.get("environment_variables", {})
            if not isinstance(own, dict):
                raise DeployError(
                    f"The environment_variables in {path} must be an object, such as "
                    '{"DEFAULT_LANG": "en"}.'
                )
            settings |= own
            for name, value in own.items():
                if not isinstance(value, str):
                    raise DeployError(
                        f"The setting {name} in {path} must be text in quotes, but it is "
                        f"{json.dumps(value)}: "
                        + ("remove it." if value is None else f'write "{json.dumps(value)}".')
                    )
        return settings

    @property
    def domain(self) -> dict[str, str]:
        """Return the ``name`` of the stage's own domain, and ``since`` when links lead there, if
        they led elsewhere before. Empty without a domain."""
        domain: dict[str, str] = self._own().get("domain", {})
        return domain

    def note_domain(self, domain: Mapping[str, str]) -> None:
        """Record the stage's own domain, or that there is none."""
        own = {name: value for name, value in self._of_this_stage().items() if name != "domain"}
        self._write_own({**own, "domain": dict(domain)} if domain else own)

    @property
    def package(self) -> dict[str, str]:
        """Return the ``sha256`` of the package that was deployed last, and its ``commit``."""
        package: dict[str, str] = self._own().get("package", {})
        return package

    def note_package(self, package: Mapping[str, str]) -> None:
        """Record the package that was deployed."""
        self._write_own({**self._of_this_stage(), "package": dict(package)})

    def check_writable(self) -> None:
        """Raise DeployError unless what a deploy records can be written here. Changes nothing."""
        for folder in (self.own.parent, self._deployed.parent, self._packages):
            present = next(path for path in (folder, *folder.parents) if path.exists())
            if not (present.is_dir() and os.access(present, os.W_OK | os.X_OK)):
                raise DeployError(
                    f"Nothing can be written into {folder}, so a deploy could not record its "
                    "result. Nothing was created. Deploy from a checkout that can be written."
                )

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

    def parameter(self, name: str) -> str:
        """Return the full name of the stage's parameter ``name`` in Parameter Store."""
        return f"/{self.app_name}/{self.stage}/{name}"

    def record(self, environment: Mapping[str, str], roles: Mapping[str, str]) -> None:
        """Write the stage's settings and its functions' role ARNs into its own file.

        What config.json says of the stage moves there too: earlier versions wrote it there.
        """
        stage = self._of_this_stage()
        stage.setdefault("environment_variables", {}).update(environment)
        functions = stage.setdefault("lambda_functions", {})
        for name, role in roles.items():
            functions.setdefault(name, {})["iam_role_arn"] = role
        self._write_own(stage)

    def reserve_of(self, function: str) -> int | None:
        """Return how many of ``function`` Chalice is to reserve concurrency for; None for no
        reserve."""
        config = self.config()
        for part in (self._stage_of(config), config):
            reserve: int | None = (
                part.get("lambda_functions", {}).get(function, {}).get("reserved_concurrency")
            )
            if reserve is not None:
                return reserve
        return None

    def note_reserve(self, function: str, reserve: int | None) -> None:
        """Record the reserve of ``function`` where Chalice reads it, or that it has none."""
        stage = self._of_this_stage()
        functions = stage.setdefault("lambda_functions", {})
        own = functions.setdefault(function, {})
        _pop(own, ["reserved_concurrency"])
        if reserve is not None:
            own["reserved_concurrency"] = reserve
        self._write_own(_without_nothing(stage))

    def take_over(self, own: Mapping[str, Any]) -> None:
        """Add to the stage's own file what another checkout's says."""
        self._write_own(_merged(own, self._of_this_stage()))

    def own_settings(self) -> dict[str, Any]:
        """Return all that the stage's own file says."""
        return self._own()

    def erase(self, settings: Collection[str]) -> None:
        """Take back what a deploy wrote: these ``settings``, all roles and reserves, and Chalice's
        record. What a person wrote stays; a file with nothing left in it goes."""
        stage = self._of_this_stage()
        _pop(stage.get("environment_variables", {}), settings)
        for function in stage.get("lambda_functions", {}).values():
            _pop(function, ["iam_role_arn", "reserved_concurrency"])
        _pop(stage, ["domain", "package"])
        self._write_own(_without_nothing(stage))
        self._deployed.unlink(missing_ok=True)

    def unset(self, settings: Collection[str]) -> None:
        """Take ``settings`` out of the stage's own file."""
        stage = self._of_this_stage()
        _pop(stage.get("environment_variables", {}), settings)
        self._write_own(stage)

    def named_functions(self) -> list[str]:
        """Return the functions that config.json or Chalice's record names, deployed or not."""
        config = self.config()
        named = (config, self._stage_of(config))
        configured = [name for stage in named for name in stage.get("lambda_functions", {})]
        return list(dict.fromkeys([*configured, *self.functions()]))

    def functions(self) -> list[str]:
        """Return the functions that are deployed, by their names in app.py."""
        kind = "lambda_function"
        return [
            resource["name"] for resource in self._resources() if resource["resource_type"] == kind
        ]

    def resource(self, name: str) -> dict[str, Any] | None:
        """Return the resource ``name`` as Chalice recorded it; None if it did not."""
        return next((resource for resource in self._resources() if resource["name"] == name), None)

    def replace(self, resources: Iterable[Mapping[str, Any]]) -> None:
        """Record these resources and no others as deployed by Chalice."""
        # The versions that Chalice 1.34 writes and expects (chalice/deploy/deployer.py).
        content = {
            "resources": [dict(resource) for resource in resources],
            "schema_version": "2.0",
            "backend": "api",
        }
        json_files.write(self._deployed, content)

    def _shared(self) -> dict[str, Any]:
        try:
            return json_files.read(self._config)
        except FileNotFoundError as error:
            raise DeployError(
                f"There is no {self._config}: run this in the project's own folder."
            ) from error

    def _own(self) -> dict[str, Any]:
        try:
            return json_files.read(self.own)
        except FileNotFoundError:
            return {}

    def _of_this_stage(self) -> dict[str, Any]:
        """Return what the stage's own file says, over what config.json says of the stage."""
        return _merged(self._stage_of(self._shared()), self._own())

    def _write_own(self, stage: dict[str, Any]) -> None:
        """Make ``stage`` all that is said of the stage. The file goes if that is nothing."""
        if not stage:
            self.own.unlink(missing_ok=True)
        elif stage != self._own():
            json_files.write(self.own, stage)
        config = self._shared()
        if self._stage_of(config):  # its own file says it by now
            stages = {
                name: settings for name, settings in config["stages"].items() if name != self.stage
            }
            if self.stage == DEFAULT_STAGE:
                stages = {self.stage: {}, **stages}
            json_files.write(self._config, {**config, "stages": stages})

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
            resources: list[dict[str, Any]] = json_files.read(self._deployed).get("resources", [])
        except (FileNotFoundError, OpsError):
            return []
        return resources


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, with the objects in both merged likewise; ``above`` wins."""
    merged = dict(below)
    for name, value in above.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            value = _merged(before, value)
        merged[name] = value
    return merged


def _pop(values: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        values.pop(name, None)


def _without_nothing(content: dict[str, Any]) -> dict[str, Any]:
    """Return ``content`` without empty objects, at any depth."""
    kept = {
        name: _without_nothing(value) if isinstance(value, dict) else value
        for name, value in content.items()
    }
    return {name: value for name, value in kept.items() if value != {}}
