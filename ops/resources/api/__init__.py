"""The REST API: its address, its limits and its own responses."""
