"""What is published to InfluxDB beside the events: figures that are computed from the journal, as points."""
