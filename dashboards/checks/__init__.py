"""Holds the dashboards against the calculation core: on a real server, and by rules about their queries."""
