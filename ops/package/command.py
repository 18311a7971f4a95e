"""`package`: a stage as one CloudFormation template, and its functions' package."""

import json
import shutil
from pathlib import Path
from shlex import quote

import click

from ops.package import template
from ops.resources.functions import chalice_deployer
from ops.resources.functions.package import NAME, digest, lambda_runtime
from ops.resources.settings import secret_key
from ops.stage import parameter_store
from ops.stage.errors import OpsError
from ops.stage.project import CHECKOUT, Project


@click.command(short_help="Write a CloudFormation template for SAM, CDK or Terraform.")
@click.option("--stage", required=True, help="The stage whose settings the template gets.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=CHECKOUT / "build" / "package",
    help="The folder for the two files.  [default: build/package]",
)
def package(stage: str, output: Path) -> None:
    """Write template.json, the whole of a stage, and package.zip, the code of its functions.

    For teams that deploy all with SAM, CDK, Terraform or CloudFormation itself. It asks nothing
    of AWS. A stage is deployed either so or by `deploy`, never by both: they would make everything
    twice.
    """
    project = Project(CHECKOUT, stage)
    written = write(project, output)
    click.echo(f"{written}\n{output / NAME}")
    click.echo(f"sha256 {digest(output / NAME)}")
    click.echo(
        "\nPut package.zip into an S3 bucket of the stack's region, then, for instance:\n"
        f"aws cloudformation deploy --stack-name {project.full_name} --capabilities CAPABILITY_IAM "
        f"--template-file {quote(str(written))} --s3-bucket <bucket> --parameter-overrides "
        f"Stage={stage} MailFrom=hello@example.org SecretKey=<secret> "
        "CodeBucket=<bucket> CodeKey=package.zip"
    )


def write(project: Project, output: Path) -> Path:
    """Write the template and the package of ``project``. Return the template's path."""
    output.mkdir(parents=True, exist_ok=True)
    _check(project)
    made = chalice_deployer.build(project)
    shutil.copyfile(made.path, output / NAME)
    content = template.make(project.config(), made.app, lambda_runtime(), made.settings)
    path = output / "template.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def _check(project: Project) -> None:
    """Raise OpsError for secrets that a template would have to hold."""
    secrets = [
        name
        for name, value in project.environment.items()
        if parameter_store.is_reference(value) and name != secret_key.SETTING
    ]
    if secrets:
        raise OpsError(
            f"A template cannot read {', '.join(secrets)} from Parameter Store: remove them from "
            f"{project.own}, and let the tool that deploys the template set them."
        )
