"""Ridge regression for brainbench, by himalaya."""
