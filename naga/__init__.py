"""naga: build, train and serve hybrid Mamba–Transformer (MoE) reasoning models.

Importing this package imports nothing heavy; each stage is a subpackage that imports what it needs.
The command line (`naga --help`) is the front door; `docs/tour.md` is the reading order.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
