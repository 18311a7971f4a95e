"""What an operator is told when something cannot go on: one sentence, and a way out."""


class OpsError(Exception):
    """The root of them; its message is shown as it is, without a traceback."""


class DeployError(OpsError):
    """A stage could not be deployed. Deploying again is always safe."""


class RunError(OpsError):
    """The local stack could not be started, or could not go on."""
