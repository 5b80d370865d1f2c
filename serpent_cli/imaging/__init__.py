"""Pictures in and out, in the depth of their files: numpy and codecs, never torch."""
