"""Chalice's own command line, with the settings of a stage's own file.

`make` puts it in the place of .venv/bin/chalice. Chalice reads `.chalice/config.json` alone, which
git tracks, and a stage's settings are in no tracked file. So this completes what Chalice reads.
"""

import sys
from pathlib import Path
from typing import Any

from botocore.session import Session
from chalice import cli
from chalice.cli import factory
from chalice.config import Config
from chalice.deploy.deployer import Deployer
from chalice.utils import UI

from ops.stage import parameter_store
from ops.stage.project import DEFAULT_STAGE, Project


class Factory(factory.CLIFactory):
    """Chalice's factory, which makes everything out of the configuration that it loads."""

    def create_config_obj(
        self, chalice_stage_name: str = DEFAULT_STAGE, *args: Any, **options: Any
    ) -> Config:
        self._stage = chalice_stage_name
        return super().create_config_obj(chalice_stage_name, *args, **options)

    def create_default_deployer(self, session: Session, config: Config, ui: UI) -> Deployer:
        _ = config.chalice_app  # now its chalicelib can be imported, wherever the project is
        from ops.resources.api import gateway_responses, rest_api
        from ops.resources.functions import package

        gateway_responses.add_on_upload(session, config.environment_variables)
        rest_api.keep_own_address_off(session)
        package.make(config, ui)  # with modes that Lambda can read, and bytecode
        return super().create_default_deployer(session, config, ui)

    def load_project_config(self) -> dict[str, Any]:
        super().load_project_config()  # its errors are what a project's absence looks like
        project = Project(Path(self.project_dir), self._stage)
        settings = project.environment
        if parameter_store.known(settings) != settings:
            ssm = self.create_botocore_session().create_client("ssm")
            settings = parameter_store.resolve(ssm, settings)
        return project.config_with(settings)


def main() -> int:
    """Run Chalice's command line. Return its exit status."""
    sys.dont_write_bytecode = True  # Chalice would package it
    setattr(cli, "CLIFactory", Factory)  # noqa: B010 - no public way leads there
    status: int = cli.main()
    return status


if __name__ == "__main__":
    sys.exit(main())
