"""Networks for pictures of many bands: denoising, snapshots with a coded aperture, classification.

Each is written from its paper's equations and equal to its authors' module, but for `unfolding`,
which is ours.
Letters beside those of `cross_scan`: T bands, where bands are an axis of their own.
"""
