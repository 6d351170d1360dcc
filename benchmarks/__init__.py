"""Speed and quality measurements; each prints a table."""
