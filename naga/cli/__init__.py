"""The command line: `naga VERB ...`. A file for each stage; door.py is where they meet.

`naga bench` is a folder of its own.

Each verb imports its stage only when it runs: `naga --help` and `naga config check` need no torch.
"""

from naga.cli.door import app, main

__all__ = ["app", "main"]
