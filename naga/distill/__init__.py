"""Distillation after the TurboS recipe: a quick model's right answers, a slow one's where it fails.

run.py is the pipeline, stage by stage; `naga sft` learns from the conversations that it writes.
"""

from naga.distill.run import distill

__all__ = ["distill"]
