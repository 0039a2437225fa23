"""What the benchmarks' command lines have in common."""

import argparse


def count(text: str) -> int:
    """A number from 1 on; raises ArgumentTypeError."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)
