"""The package: one file that holds a policy with its evidence, and repeats its own decisions before it is used.

Reading a package (archive, manifest, contents, decider, trace) needs NumPy and ONNX Runtime only; building one (build,
gates, card, sessions) needs pandas as well.
"""
