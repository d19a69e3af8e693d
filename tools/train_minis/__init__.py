"""Training the miniature networks of the zoo on the demo's own scenes, each on its family's objective (docs/minis.md)."""
