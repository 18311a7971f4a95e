"""The command `deploy`: a stage is brought up, checked, or tried and taken down."""
