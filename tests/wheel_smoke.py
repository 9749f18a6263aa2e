"""Run in an environment that has nothing but the wheel: the native kernels are there and answer.

python tests/wheel_smoke.py
"""

import json
import subprocess
import sys
from pathlib import Path

import naga
from naga import _cpu


def main() -> None:
    model = Path(naga.__file__).parent / "assets" / "naga-mini"
    naga_command = Path(sys.executable).parent / "naga"
    command = [
        naga_command,
        "generate",
        model,
        "What is 347 + 586?",
        "--temperature",
        "0",
        "--json",
    ]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    print(f"naga {naga.__version__}, kernels {_cpu.best_isa()}: {answer['text']}")
    if answer["text"] != "933":
        sys.exit(f"the model that comes with the wheel answered {answer['text']!r}, not 933")


if __name__ == "__main__":
    main()
