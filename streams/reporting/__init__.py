"""Reports: how well each account listened and answered in a period, and what has changed since the one before."""
