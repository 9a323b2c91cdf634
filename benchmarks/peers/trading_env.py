"""A Gymnasium environment that asks the same of other libraries as Outsample's market asks of its agents."""

from __future__ import annotations

import gymnasium
import numpy as np


class TradingEnv(gymnasium.Env):
    """One symbol, positions -1, 0 and 1, cost on each change; the observation is a row of features and the position.

    The reward is 100 times the net log return from close to close. An episode is `length` bars from a random start; its
    end truncates.
    """

    def __init__(self, features: np.ndarray, log_return: np.ndarray, cost_rate: float, length: int) -> None:
        self._features = np.ascontiguousarray(features, dtype=np.float32)  # [T, F]
        self._log_return = log_return.tolist()  # [T], of the bar after the decision
        self._cost = -float(np.log1p(-cost_rate))
        self._length = length
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (features.shape[1] + 1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(3)
        self._observation = np.zeros(features.shape[1] + 1, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._row = int(self.np_random.integers(0, len(self._log_return) - self._length))
        self._end = self._row + self._length
        self._position = int(self.np_random.integers(-1, 2))
        return self._observe(), {}

    def step(self, action):
        target = int(action) - 1
        reward = 100.0 * (target * self._log_return[self._row] - self._cost * abs(target - self._position))
        self._position = target
        self._row += 1
        return self._observe(), reward, False, self._row >= self._end, {}

    def _observe(self) -> np.ndarray:
        self._observation[:-1] = self._features[self._row]
        self._observation[-1] = self._position
        return self._observation.copy()
