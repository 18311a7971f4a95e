"""The terminal: progress, text, durations and option types."""
