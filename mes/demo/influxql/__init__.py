"""The part of InfluxQL that InfluxDB 1.x, 2.x and 3 share: read, judged and answered without a server."""
