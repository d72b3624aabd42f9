"""A whole plant in simulated time: the real program over simulated controllers, disk and InfluxDB, from one seed."""
