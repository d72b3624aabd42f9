"""Figures computed from the journal, as points for InfluxDB."""
