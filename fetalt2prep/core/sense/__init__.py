"""Undersampled Cartesian slices of several coils: images, their noise, and estimates tied to what was measured."""
