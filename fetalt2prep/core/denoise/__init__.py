"""Denoising of stacks on the intensity scale they came with."""
