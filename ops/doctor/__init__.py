"""The command `doctor`: checks of a deployed stage, each with its fix."""
