"""Parsing in a process of its own: whatever a file does to a parser, it does there.

A crash, endless work or too much memory ends that process and becomes one line. The process has
no more rights than this one, but nothing to lose: it is no sandbox against a parser's bugs.
"""

import json
import signal
import subprocess
import sys

from naga.data.documents.limits import (
    MEMORY_BYTES,
    PROCESSOR_SECONDS,
    WALL_SECONDS,
    Refused,
)


def parse_apart(media_type: str, data: bytes) -> list[str]:
    """The pages' texts; Refused with the reason, as far as it is known."""
    # -P: a file beside the document cannot stand in for a module.
    command = [sys.executable, "-P", "-m", "naga.data.documents.child", media_type]
    try:
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"not read after {WALL_SECONDS} s; split it") from None
    if done.returncode == -signal.SIGXCPU:
        raise Refused(f"takes more than {PROCESSOR_SECONDS} s of processor time; split it")
    if done.returncode != 0:
        raise Refused(
            f"cannot be parsed: damaged, or needs more than {MEMORY_BYTES >> 30} GiB of memory;"
            " open it in its own program and save it anew"
        )
    answer = json.loads(done.stdout)
    if "refused" in answer:
        raise Refused(answer["refused"])
    return answer["pages"]
