"""Quantitative super-resolution with weighted images as guides."""
