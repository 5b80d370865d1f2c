"""A warm worker that restores pictures for others: `serpent serve`, and `--server` that asks it."""
