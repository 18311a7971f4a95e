"""Users: their data, and the transitions of their items."""
