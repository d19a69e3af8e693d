"""The Python interface, one function per file."""
