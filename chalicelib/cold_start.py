"""Garbage collection during a cold start: off, as a function keeps what it loads."""

import gc
from collections.abc import Mapping

gc.disable()


def end(env: Mapping[str, str]) -> None:
    """Collect garbage from now on; on Lambda, only among what is made from now on.

    Loading makes 100,000 objects and hardly any garbage. Looking for it takes 5 % of a cold start.
    """
    if env.get("_HANDLER"):
        gc.freeze()
    gc.enable()
