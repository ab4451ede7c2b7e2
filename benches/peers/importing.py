"""What the scripts here do about peers that are not there."""

import sys
from typing import Callable


def left_out(name: str, error: Exception) -> None:
    print(f"{name} is left out: {error!r}", file=sys.stderr, flush=True)


def imported(makers: dict[str, Callable], names: list[str]) -> dict:
    """What each peer's maker gives, without the peers that cannot be imported."""
    peers = {}
    for name in names:
        try:
            peers[name] = makers[name]()
        except Exception as error:  # a library without its own libraries raises what it likes
            left_out(name, error)
    return peers
