"""Synthetic pictures of a whole uterus, of every contrast, from which a network learns what a fetal brain is."""
