"""The CloudFormation stack, and the resources in it that need more than a template."""
