"""Selection: the trial matrix, the arms that choose from it, and statistics that can say no."""

from outsample.selection.arms import select
from outsample.selection.matrix import account

__all__ = ["account", "select"]
