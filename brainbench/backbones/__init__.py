"""What backbone plugins are made of, and where their weights come from."""
