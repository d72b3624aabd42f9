"""The simulated plant: physics, exact ledger of truth, and awkward controllers on real protocols."""
