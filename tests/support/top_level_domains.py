"""The top-level domains of the package publicsuffixlist, and our file of them.

Write the file again after a newer publicsuffixlist is pinned:
python -m tests.support.top_level_domains
"""

from pathlib import Path

import idna
import publicsuffixlist

from chalicelib.users import top_level_domains

_LIST = Path(publicsuffixlist.__file__).with_name("public_suffix_list.dat")


def lines() -> list[str]:
    """Return the lines of the file: a domain in ASCII, then in Unicode where that differs."""
    official = _LIST.read_text("utf-8").partition("===END ICANN DOMAINS===")[0]
    rules = [line.strip() for line in official.splitlines()]
    names = {rule.rpartition(".")[2] for rule in rules if rule and not rule.startswith("//")}
    return sorted(
        name if name.isascii() else f"{idna.encode(name).decode()} {name}" for name in names
    )


if __name__ == "__main__":
    top_level_domains.FILE.write_text("\n".join(lines()) + "\n", "utf-8")
