"""Cubes: pictures of many bands, from files and to files, never mixed up with photographs."""
