"""The Python door, one function a file."""
