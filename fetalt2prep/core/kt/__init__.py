"""Dynamic MRI from undersampled (k, t) data: a spatiotemporal field, and what it is compared with."""
