"""One channel space for the layers of several networks, and what can be seen in it (AlignedCut)."""
