"""Integer geometry of tiles and the weights that blend them; no pictures, no torch."""
