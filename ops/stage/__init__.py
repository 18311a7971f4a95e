"""A stage: where it lives, what the checkout knows of it, and errors in plain words."""
