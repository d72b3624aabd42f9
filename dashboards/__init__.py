"""The Grafana dashboards as code: `scripts/dashboards` writes them to config/grafana."""
