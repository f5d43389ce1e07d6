"""Tensors in, tensors out: physics, fields, reconstruction, relaxometry. No files, no logging, no configuration."""
