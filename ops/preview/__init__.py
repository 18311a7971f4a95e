"""`preview`: every page and mail, in a browser."""
