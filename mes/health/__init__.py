"""The state of the running program: controllers, clocks, count audit; served as health, metrics and InfluxDB points."""
