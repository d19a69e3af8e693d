"""Parts for metrics."""
