"""The errors that operators read: one sentence, and a way out."""


class OpsError(Exception):
    """The root of these errors. Its message is shown without a traceback."""


class DeployError(OpsError):
    """A stage could not be deployed. Deploying again is always safe."""


class RunError(OpsError):
    """The local stack could not be started, or could not go on."""
