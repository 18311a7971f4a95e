"""The functions: their package, their triggers, their settings and their logs."""
