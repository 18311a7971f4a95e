"""The operator's commands, run as ``python -m ops``. Lambda never gets them."""
