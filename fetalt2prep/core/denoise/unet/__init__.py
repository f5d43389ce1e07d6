"""Residual U-Net and fidelity network: the learned denoiser, and the cascade of both with a tie to k-space."""
