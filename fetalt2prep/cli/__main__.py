"""``python -m fetalt2prep.cli``: the same as ``fetalt2``."""

from fetalt2prep.cli.main import cli

if __name__ == "__main__":
    cli()
