"""Evaluation on the vault: benchmarks, random agents, intervals, the count of looks, and the verdict in words."""

from outsample.evaluation.evaluate import EvaluationResult, evaluate
from outsample.evaluation.looks import record_look

__all__ = ["EvaluationResult", "evaluate", "record_look"]
