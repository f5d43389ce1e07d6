"""The command ``fetalt2``: the door to everything that needs no BIDS dataset, one file per subcommand."""
