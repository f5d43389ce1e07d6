"""``python -m bids_app``."""

from bids_app.main import cli

if __name__ == "__main__":
    cli()
