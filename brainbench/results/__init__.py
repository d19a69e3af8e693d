"""Records on disk, and their arrays and parameters."""
