"""Learning: one optimizer step, one loop, and the two kinds of run (pretrain, sft) that feed it.

Reading order: schedule, optim, step, checkpoint, progress, loop, pretrain, sft.
Every run is exact: on one machine and thread count, a killed and resumed run repeats the
uninterrupted one bit for bit. Does not parallelise over devices and holds no reward or algorithm.
"""
