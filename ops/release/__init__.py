"""A maintainer's command for a release: `make release`."""
