"""Outsample: reinforcement-learning trading strategies, selected on evidence that survives out of sample.

The folders follow the order of the workflow: config, io, data, features, folds, market, agents, search, selection,
evaluation, report, packaging, paper, cli. A folder imports from the folders before it, never from those after it.
Nothing in here imports Snakemake.
"""

__version__ = "0.1.0"
