"""The resources of a stage in AWS: one module finds, makes and removes each."""
