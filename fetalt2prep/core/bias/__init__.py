"""The field of the receive coils, one for each position of stacks and the same at every echo time."""
