"""Forwards what is journaled to InfluxDB, by the one schema that 1.x, 2.x and 3 all take."""
