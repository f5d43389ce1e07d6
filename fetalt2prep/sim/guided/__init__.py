"""Adult heads as maps of relaxation, coarse views of them, and guides: what guided super-resolution is tried on."""
