"""What the daemon shows over HTTP on loopback: health, readiness and metrics."""
