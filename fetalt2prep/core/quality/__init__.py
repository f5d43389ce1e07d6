"""What stacks are worth before anything is reconstructed from them."""
