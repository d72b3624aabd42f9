"""Shop-floor data collection and MES-lite: from controllers' readings to figures that can be proved right."""
