"""Where the brain is in a stack."""
