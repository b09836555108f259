"""Sub-grades: centering, corners, edges and surface, each 1 to 10 with a range, from the measurements alone."""
