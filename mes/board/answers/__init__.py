"""The answers of the interface as plain models; pages are rendered from the same answers."""
