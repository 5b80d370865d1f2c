"""Before and after in one page: pairs of pictures, their figures, and a file that holds all."""
