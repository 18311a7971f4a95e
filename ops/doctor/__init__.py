"""Whether a deployed stage is well, looked at from outside: one finding a check, with its mend."""
