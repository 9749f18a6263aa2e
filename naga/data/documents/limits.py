"""What one document may cost, and the error that says what is wrong with it.

The sizes leave room for any book and for filings of thousands of pages; a file beyond them is
either no document or must be split. Time and memory bound the process that parses.
"""

FILE_BYTES = 256 << 20
UNPACKED_BYTES = 256 << 20  # of all parts that are read from one zip archive
CHARACTERS = 32_000_000
PAGES = 20_000
PROCESSOR_SECONDS = 120
WALL_SECONDS = 900  # a process that only computes reaches this on a machine that is not its own
MEMORY_BYTES = 4 << 30


class Refused(ValueError):
    """Why a document is not read and what to do; whoever knows the file puts its name before."""


def damaged(kind: str, program: str) -> Refused:
    return Refused(f"damaged, or not {kind}; open it in {program} and save it anew")
