"""Paper trading: a package fed bar by bar, through streaming features, the policy and the one market function.

NumPy and ONNX Runtime only.
"""
