"""The interface for programs, documented by OpenAPI; the board's own pages draw the same answers."""
