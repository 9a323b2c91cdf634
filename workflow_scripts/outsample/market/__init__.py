"""How targets become fills, costs, equity, trades and metrics: the same in training, backtest and paper trading."""
