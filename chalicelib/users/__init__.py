"""Users: who they are, and what their items go through."""
