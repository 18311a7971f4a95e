"""The command `users`: look up, help, import and export the users of a stage."""
