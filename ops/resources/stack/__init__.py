"""The CloudFormation stack, and those of its resources that need code."""
