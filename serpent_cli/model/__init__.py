"""The Serpent network: a U-Net of state-space blocks, its configuration and its sizes."""
