"""The participant's report: figures (pure functions), words, and the page, built from derivatives only."""
