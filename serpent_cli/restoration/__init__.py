"""Restoring one picture: device, plan, tensors, and the `Restorer` that brings them together."""
