"""The field of the receive coils: one in scanner space, the same for every stack and echo time."""
