"""Trained weights, each with a card (JSON): where they come from, what they reach, what they cannot."""
