"""The configuration: its models, its layers, and the files that are generated from the models.

This file imports nothing, so that a script which needs one model does not depend on how layers are read.
"""
