"""The part of InfluxQL that InfluxDB 1.x, 2.x and 3 share: how a query is read, and the rules that it must keep."""
