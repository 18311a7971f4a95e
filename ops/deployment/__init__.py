"""`deploy` and `destroy`: a stage brought up, and taken down."""
