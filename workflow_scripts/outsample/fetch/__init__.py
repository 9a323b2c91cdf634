"""Fetching bars: the one part of Outsample that uses the network, started by `outsample fetch` and by no rule."""
