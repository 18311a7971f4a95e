"""`metrics`: the funnel from sign-up to validation."""
