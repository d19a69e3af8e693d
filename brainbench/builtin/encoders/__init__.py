"""The built-in encoders."""
