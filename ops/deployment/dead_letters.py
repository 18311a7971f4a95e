"""Where SES's feedback goes when its function has failed: to the queue of dead letters, whole.

SNS hands it to Lambda, which tries thrice and then drops it. The hourly sweep, which a clock calls
in the same way, needs no such thing: the next hour does again what this one could not.
"""

from typing import TYPE_CHECKING, Any

from ops.deployment.function_settings import holds, settled
from ops.stage.project import Project
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

FUNCTION = "record_mail_feedback"


def configure(lambda_: "LambdaClient", project: Project, queue: str, say: Say) -> None:
    """Have Lambda put what the function fails on into ``queue``, an ARN."""
    if is_configured(lambda_, project, queue):
        say("nothing to change")
        return
    settled(
        lambda_.put_function_event_invoke_config,
        FunctionName=project.function(FUNCTION),
        **_wanted(queue),
    )
    say("to the queue of dead letters")


def is_configured(lambda_: "LambdaClient", project: Project, queue: str) -> bool:
    """Whether what the function fails on goes there."""
    return holds(_current(lambda_, project.function(FUNCTION)), _wanted(queue))


def _wanted(queue: str) -> Any:
    return {"DestinationConfig": {"OnFailure": {"Destination": queue}}}


def _current(lambda_: "LambdaClient", function: str) -> Any:
    try:
        return lambda_.get_function_event_invoke_config(FunctionName=function)
    except lambda_.exceptions.ResourceNotFoundException:  # the function has none yet
        return {}
