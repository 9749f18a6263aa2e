"""Models on disk: config maps, name maps, reading and writing.

config.py reads config.json without torch, load.py reads weights, save.py writes a whole folder;
each file named after a model type is one layout. Training state is not here: train/checkpoint.py.
"""
