"""The plural categories of languages for whole numbers, as in Unicode's CLDR.

https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html
"""

_ONE_OF_NONE_TOO = ("fr", "pt-BR")
"""Languages that say "0 hour"."""
_WITH_MILLIONS = ("es", "fr", "it", "pt", "pt-BR")
"""Languages that say "a million of hours", as in French."""
_ALWAYS_OTHER = ("ja", "zh")


def category(lang: str, number: int) -> str:
    """Return ``zero``, ``one``, ``two``, ``few``, ``many`` or ``other``.

    A variant such as ``de-x-formal`` has its language's rules, an unknown language has English's.
    """
    primary = lang.partition("-")[0]
    if primary in _ALWAYS_OTHER:
        return "other"
    if primary == "ar":
        return _arabic(number)
    if number == 1 or (number == 0 and not {lang, primary}.isdisjoint(_ONE_OF_NONE_TOO)):
        return "one"
    if primary == "pl":
        is_few = 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14
        return "few" if is_few else "many"
    if primary in _WITH_MILLIONS and number and number % 1_000_000 == 0:
        return "many"
    return "other"


def _arabic(number: int) -> str:
    if number <= 2:
        return ("zero", "one", "two")[number]
    if number % 100 < 3:
        return "other"
    return "few" if number % 100 <= 10 else "many"
