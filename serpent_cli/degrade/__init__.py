"""The forward models of restoration: what a camera and a codec do to a sharp picture."""
