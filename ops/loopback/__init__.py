"""Pages that this machine serves to its own browser, and to no other page."""
