"""`record`: learns a stage from the account."""
