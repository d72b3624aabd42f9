"""The results of a plant: every figure of a window, computed from the journal."""
