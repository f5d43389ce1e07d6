"""Volumes in a world frame by SimpleITK: resampling and rigid registration. Arrays in, arrays out; no files."""
