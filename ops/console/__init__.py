"""The command `console`: a web page for support people, on this machine."""
