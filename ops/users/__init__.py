"""The people of a stage, as its operator looks them up, mends their state and brings them in."""
