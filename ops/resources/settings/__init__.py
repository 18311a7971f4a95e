"""The settings that a deploy finds out, and where they are kept."""
