"""A copy of the app, loaded and its templates filled in a fresh process.

Run as a script with the copy's folder and the checkout. Prints what is wrong in one line; the
standard library is all that it stands on, since anything else may be what is wrong.
"""

import os
import sys
import traceback
from pathlib import Path


def problem(error: BaseException, folder: Path) -> str:
    """Return where in ``folder`` the error happened, and its message."""
    message = " ".join(str(error).split())
    kind = type(error).__name__
    if type(error).__module__ == "ops.stage.errors":  # a sentence already
        return message
    if isinstance(error, SyntaxError) and error.filename:
        path, line, message = Path(error.filename), error.lineno or 0, error.msg
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
        if not own:
            return f"{kind}: {message}"
        path, line = Path(own[-1].filename), own[-1].lineno or 0
    place = path.relative_to(folder) if path.is_relative_to(folder) else path
    return f"{place}, line {line}: {kind}: {message}"


def _load(folder: Path, checkout: Path) -> None:
    sys.path[:1] = [str(folder), str(folder / "vendor")]
    sys.path.append(str(checkout))  # for ops alone: chalicelib is found in the copy
    __import__("app")
    from ops.stage import samples

    samples.make(samples.read(os.environ))


if __name__ == "__main__":
    copy = Path(sys.argv[1])
    sys.dont_write_bytecode = True
    try:
        _load(copy, Path(sys.argv[2]))
    except Exception as error:  # noqa: BLE001 - whatever the changed code raises
        print(problem(error, copy))  # noqa: T201 - read by the run
        sys.exit(1)
