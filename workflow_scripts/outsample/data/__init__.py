"""Bars: read as they came (`sources`), then checked and adjusted (`validate`)."""
