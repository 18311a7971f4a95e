"""How Sphinx makes the docs into a site: `make docs`."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "Bienvenue"
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/*.md"]
extensions = ["myst_parser"]
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "Bienvenue"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False

# The pages of docs/ as a reader needs them; others come after these.
ORDER = ["http", "settings", "embedding", "item", "commands", "operating"]


def setup(app: Sphinx) -> None:
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", add_contents)


def add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Give the README the list of pages that the sidebar shows; GitHub would show it as text."""
    if name != root_doc:
        return
    there = sorted(path.stem for path in app.srcdir.glob("docs/*.md"))
    docs = [*filter(there.__contains__, ORDER), *(page for page in there if page not in ORDER)]
    pages = [*(f"docs/{page}" for page in docs), "CONTRIBUTING", "CHANGELOG", "SECURITY"]
    source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n"
