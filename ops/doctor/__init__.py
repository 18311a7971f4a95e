"""The command `doctor`: checks of a deployed stage, each with a way to fix what it finds."""
