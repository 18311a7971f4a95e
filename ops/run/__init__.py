"""`run`: the whole service on this machine."""
