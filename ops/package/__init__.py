"""`package`: writes a stage as one template, for other tools."""
