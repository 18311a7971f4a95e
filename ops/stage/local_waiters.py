"""Short waits for the local cloud: its functions are ready at once.

Chalice waits with botocore's own waiter for each function it makes. AWS is never given this.
"""

from typing import Any

from botocore.session import Session

GLANCE = 0.05


def prepare(session: Session) -> None:
    """Have the Lambda clients of ``session`` find a function ready at the waiter's first look."""

    def be_ready(**call: Any) -> None:
        waiter: Any = session.create_client("lambda").get_waiter("function_active_v2")
        waiter.wait(
            FunctionName=call["params"]["FunctionName"],
            WaiterConfig={"Delay": GLANCE, "MaxAttempts": 200},
        )

    # The waiter asks GetFunctionConfiguration; the one above asks GetFunction, so it is left alone.
    session.register("provide-client-params.lambda.GetFunctionConfiguration", be_ready)
