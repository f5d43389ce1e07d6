"""Implicit neural representations: encodings, networks, heads."""
