"""Parts for backbone plugins, and the sources of their weights."""
