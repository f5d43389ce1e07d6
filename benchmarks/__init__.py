"""Scripts that regenerate every number the documentation quotes."""
