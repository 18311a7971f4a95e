"""The command `events`: events sent again, and the webhook's key."""
