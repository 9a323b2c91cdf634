"""Agents: training in JAX, the gate, export to ONNX, and the ONNX decider, which does not need JAX.

This file imports nothing, so that `outsample.agents.onnx` can be imported without JAX.
"""
