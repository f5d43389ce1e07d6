"""Spread of the bulk of values, whatever a few of them do."""

MAD_TO_SIGMA = 1.4826
"""Standard deviation of normal values over their median absolute deviation."""
