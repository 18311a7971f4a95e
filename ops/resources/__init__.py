"""The resources of a stage in an AWS account, each found, made and removed by one module."""
