"""What an operator types: a file a command. Each asks, calls what does the work, and shows it."""
