"""A stage: where it is, what the checkout knows of it, errors in plain words."""
