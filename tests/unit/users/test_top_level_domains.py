"""The list of top-level domains is the one that its package ships."""

from chalicelib.users import top_level_domains
from tests.support import top_level_domains as package


def test_the_file_is_the_list_of_the_package() -> None:
    assert top_level_domains.FILE.read_text("utf-8").splitlines() == package.lines()


def test_a_domain_has_two_spellings_beyond_ascii() -> None:
    assert {"org", "museum", "uk", "xn--p1ai"} <= top_level_domains.in_ascii()
    assert {"рф", "中国", "भारत"} <= top_level_domains.in_unicode()
    assert all(name.isascii() for name in top_level_domains.in_ascii())
    assert not any(name.isascii() for name in top_level_domains.in_unicode())
