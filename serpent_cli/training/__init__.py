"""Training: recipe → photographs → degraded crops → steps → weights and their card."""
