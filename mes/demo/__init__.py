"""The main job in one process: simulated plant, collector on real protocols, and the truth beside the figures."""
