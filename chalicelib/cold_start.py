"""Garbage collection: off in a cold start, because a function keeps what it loads."""

import gc
from collections.abc import Mapping

gc.disable()


def end(env: Mapping[str, str]) -> None:
    """Turn garbage collection on; on Lambda, ignore all objects that exist already.

    Imports make 100,000 objects and hardly any garbage. Searching them takes 5 % of a cold start.
    """
    if env.get("_HANDLER"):
        gc.freeze()
    gc.enable()
