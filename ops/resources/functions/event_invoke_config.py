"""Asynchronous calls: how often Lambda tries one, and where a failed one goes."""

from typing import TYPE_CHECKING, Any

from ops.resources.functions.function_settings import matches, retry_until_settled
from ops.stage.project import Project
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

FEEDBACK = "record_mail_feedback"
DRAIN = "resend_owed_mail"


def ensure(lambda_: "LambdaClient", project: Project, queue: str, say: Say) -> None:
    """Give the functions that SNS and the clock call their settings. ``queue`` is an ARN."""
    lacking = differences(lambda_, project, queue)
    for name, config in lacking.items():
        retry_until_settled(
            lambda_.put_function_event_invoke_config,
            FunctionName=project.function(name),
            **config,
        )
    say(f"{', '.join(lacking)} set" if lacking else "nothing to change")


def differences(lambda_: "LambdaClient", project: Project, queue: str) -> dict[str, Any]:
    """Return the settings of the functions that do not have them, by the functions' names."""
    return {
        name: config
        for name, config in wanted(queue).items()
        if not matches(_current(lambda_, project.function(name)), config)
    }


def wanted(queue: Any) -> dict[str, Any]:
    """Return the settings of each function. ``queue`` is the ARN of the dead-letter queue."""
    return {
        # Lambda tries an event of SES's three times and then drops it: it goes to the queue, whole.
        FEEDBACK: {"DestinationConfig": {"OnFailure": {"Destination": queue}}},
        # The next scheduled run does the rest. Calls that are tried again would only pile up.
        DRAIN: {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
    }


def _current(lambda_: "LambdaClient", function: str) -> Any:
    try:
        return lambda_.get_function_event_invoke_config(FunctionName=function)
    except lambda_.exceptions.ResourceNotFoundException:  # the function has none yet
        return {}
