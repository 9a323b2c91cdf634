"""Hyper-parameter search in rounds: what to try next, as a pure function of the seed and of the rounds before."""
