"""Programs that run one engine each, in the interpreter of that engine's own environment.

`worker.py` is run by path and imports no naga, nor do the other files here: an environment of a
peer has none. Each of them has a class `Sequences` (naga/bench/sequences.py says what it does).
"""
