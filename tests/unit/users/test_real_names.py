"""Real names and real spam: how many of each are refused.

The names are those that PyPI packages ship: faker's locales, the census of the US (names), and
46,000 first names of 54 countries (gender-guesser). Few have dots, so dots are added as people do.
"""

# ruff: noqa: RUF001 - letters that look like others are what spam is made of

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import faker.providers.person
import gender_guesser
import names
import pytest

from chalicelib.users import person_name
from chalicelib.users.person_name import NameRefused

MAX_REFUSED = 0.001


@cache
def faker_names() -> frozenset[str]:
    """Return the names, titles and degrees of all locales."""
    found: set[str] = set()
    for locale in pkgutil.iter_modules(faker.providers.person.__path__):
        provider = importlib.import_module(f"faker.providers.person.{locale.name}").Provider
        for attribute, value in vars(provider).items():
            if re.match("(first|last|middle)_name|prefix|suffix", attribute):
                found.update(_texts(value))
    return frozenset(found)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for each in value:
            yield from _texts(each)


@cache
def census_surnames() -> frozenset[str]:
    lines = Path(names.FILES["last"]).read_text("ascii").splitlines()
    return frozenset(line.split()[0].title() for line in lines)


@cache
def first_names() -> frozenset[str]:
    file = Path(gender_guesser.__file__).parent / "data" / "nam_dict.txt"
    lines = file.read_text("utf-8").splitlines()
    return frozenset(line[3:29].strip().replace("+", "-") for line in lines if line[:1] != "#")


def refused(candidates: Iterator[str]) -> tuple[int, list[str]]:
    count, wrong = 0, []
    for count, name in enumerate(candidates, 1):  # noqa: B007
        try:
            person_name.clean(name)
        except NameRefused:
            wrong.append(name)
    return count, wrong


@pytest.mark.parametrize("names_of", [faker_names, census_surnames, first_names])
def test_real_names_are_taken(names_of) -> None:  # type: ignore[no-untyped-def]
    count, wrong = refused(iter(names_of()))
    assert count > 40_000
    assert len(wrong) < count * MAX_REFUSED, wrong


@pytest.mark.parametrize("before", ["R.", "K.S.", "Md."])
def test_initials_before_real_names_are_taken(before: str) -> None:
    """One of 25 real candidates has such a dot: 0.3 % of these are 0.012 % of all."""
    people = sorted(faker_names() | census_surnames())[::5]
    count, wrong = refused(before + name for name in people if "." not in name and len(name) < 50)
    assert count > 20_000
    assert len(wrong) < count * 0.003, wrong


SPAM = (
    """
evil.com|EVIL.COM|Evil.Com|win at evil.co now|evil.co/x|evil.co.uk|a.b.c.ru|evil.io.|(evil.net)
evil.com:8080|evil.com?id=1|evil.com#a|evil.com-x|evil.com_x|evil.com5|bit.ly/3xYz|bit.ly|t.me/evil
t.me|x.com|t.co/abc|goo.gl|wa.me/123|evil.app|evil.xyz|evil.top|evil.online|evil.shop|evil.live
Andrea.it|Maria.de|Jean.fr|зло.рф|выигрыш.онлайн|кто.рфevil|evil.中国|evil.コム|कंपनी.भारत|evil.ไทย
موقع.السعودية|evil.xn--p1ai|xn--80ak6aa92e.com|ｅｖｉｌ．ｃｏｍ|evil。com|evil｡com|evil․com|evil⒈com
evil\u200b.com|evil.\u200bcom|evil.c\u00adom|evil.\u2060com|evilx\u0323.com|i❤.ws|💩.la|evil-.com|s.kim/x
win.kim|s.kim.to|http://evil|https://1.2.3.4|hxxp://evil|ftp://evil|www.evil|WWW.x|WWW. x
me@evil|me@evil.com|me＠evil|me﹫evil|@evil|evil@|me@ evil|me @evil|Call 0800 123|0 8 0 0 1|٠١٢٣٤٥
①②③④⑤|+49 30 12345|evil.c\u0336o\u0336m|evil\u0301.рф❤|сайт.рус|see x.de|mr.com|dr.com|md.ru|k.s.ru
⑩⑪⑫|evil.onion|evil.local|evil.example|evil.test|evil.comмама
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


@pytest.mark.parametrize("text", SPAM)
def test_spam_is_refused(text: str) -> None:
    with pytest.raises(NameRefused):
        person_name.clean(text)


def test_there_are_enough_specimens_of_spam() -> None:
    assert len(set(SPAM)) >= 80
