"""The learning rate of each step: warm-up, stable, decay (WSD, arXiv 2404.06395).

A pure function of the step, so nothing of it is saved. The decay is 1 - sqrt, which ends lower
than a linear one of the same length (arXiv 2405.18392).
"""

from math import sqrt

from naga.config.train import ScheduleConfig


def learning_rate(step: int, peak: float, schedule: ScheduleConfig) -> float:
    """Rate of update `step`, counted from 1; a decay ends at peak * final_lr_ratio."""
    if step <= schedule.warmup_steps:
        return peak * step / schedule.warmup_steps
    decayed = step - (schedule.steps - schedule.decay_steps)
    if decayed <= 0:
        return peak
    share = 1.0 - sqrt(decayed / schedule.decay_steps)
    return peak * (schedule.final_lr_ratio + (1.0 - schedule.final_lr_ratio) * share)
