"""The operator's commands, run as ``python -m ops``. Nothing in here ships to Lambda."""
