"""The demo dataset: generated scenes, and simulated subjects on the fsaverage5 cortex."""
