"""Pairs of an accelerated, noisy slice and the same slice fully sampled without noise: what a denoiser learns from."""
