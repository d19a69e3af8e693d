"""The image encoders of Segment Anything for brainbench."""
