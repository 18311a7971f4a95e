"""`destroy`: takes a stage down."""
