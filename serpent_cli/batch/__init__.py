"""Many pictures: which files, where to, and one result for each."""
