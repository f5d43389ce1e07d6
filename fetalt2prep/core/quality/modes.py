"""Names of the ways to choose stacks; imported where torch must not be."""

MODES = ("auto", "all")
