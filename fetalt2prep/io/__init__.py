"""Files to arrays and back: NIfTI stacks, their sidecars and masks, volumes, tables."""
