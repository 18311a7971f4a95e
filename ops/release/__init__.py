"""What a maintainer does for a release: `make release`."""
