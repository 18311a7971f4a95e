"""`users import`: people brought in from a file."""
