"""Files that show every page and mail of a stage in a browser, with samples."""

import re
import shutil
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from ops.stage import samples
from ops.stage.samples import Specimen

SCHEMES = ("light", "dark")
DEVICES = ("wide", "narrow")


def build(folder: Path, environment: Mapping[str, str]) -> Path:
    """Write all pages and mails of a stage to ``folder``, and return the page that shows them.

    ``environment`` is the stage's. Settings that it lacks are made up. Raises OpsError.
    """
    stage = samples.read(environment)
    specimens = samples.make(stage)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    versions_by_name: dict[str, list[Specimen]] = {}
    for specimen in specimens:
        versions_by_name.setdefault(specimen.name, []).append(specimen)
        for scheme in SCHEMES:
            html = _in_scheme(specimen.html, scheme)
            (folder / _file(specimen, scheme)).write_text(html, encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_index(stage.brand.product, versions_by_name), encoding="utf-8")
    return index


def _file(specimen: Specimen, scheme: str) -> str:
    return f"{specimen.name}.{specimen.lang}.{scheme}.html"


def _in_scheme(html: str, scheme: str) -> str:
    """Return ``html`` in ``scheme``, whatever the viewer prefers."""
    # A width can stand wherever a media query has a preference.
    for asked in SCHEMES:
        width = "(min-width: 0)" if asked == scheme else "(max-width: 0)"
        html = re.sub(rf"\(\s*prefers-color-scheme\s*:\s*{asked}\s*\)", width, html)
    return html.replace("light dark", scheme)


def _index(product: str, versions_by_name: Mapping[str, list[Specimen]]) -> str:
    languages = [specimen.lang for specimen in next(iter(versions_by_name.values()))]
    filters = "".join(
        _filter(name, label, options)
        for name, label, options in (
            ("name", "Page or mail", versions_by_name),
            ("lang", "Language", languages),
            ("scheme", "Scheme", SCHEMES),
            ("device", "Width", DEVICES),
        )
    )
    shown = languages[0]  # all frames at once would keep a browser busy for minutes
    filters = filters.replace(f"<option>{shown}<", f"<option selected>{shown}<")
    sections = "".join(_section(name, versions) for name, versions in versions_by_name.items())
    return _INDEX.format(product=escape(product), filters=filters, sections=sections)


def _filter(name: str, label: str, options: Iterable[str]) -> str:
    choices = "".join(f"<option>{option}</option>" for option in options)
    return (
        f'<label>{label} <select name="{name}"><option value="">all</option>{choices}'
        "</select></label>\n"
    )


def _section(name: str, versions: list[Specimen]) -> str:
    figures = "".join(map(_figures, versions))
    return f'<section id="{name}"><h2>{name}</h2><div class="row">{figures}</div></section>\n'


def _figures(specimen: Specimen) -> str:
    kind = f'data-name="{specimen.name}" data-lang="{specimen.lang}"'
    frames = "".join(
        f'<figure class="{device}" {kind} data-scheme="{scheme}" data-device="{device}">'
        f'<figcaption><a href="{_file(specimen, scheme)}">'
        f"{specimen.lang}, {scheme}, {device}</a></figcaption><div><template>"
        f'<iframe src="{_file(specimen, scheme)}" title="{specimen.name}, {specimen.lang}, '
        f'{scheme}, {device}" loading="lazy" sandbox></iframe></template></div></figure>'
        for device in DEVICES
        for scheme in SCHEMES
    )
    if not specimen.text:
        return frames
    text = f'<pre lang="{specimen.lang}" dir="auto">{escape(specimen.text)}</pre>'
    caption = f"<figcaption>{specimen.lang}, text</figcaption>"
    return f'{frames}<figure {kind} data-scheme="" data-device="">{caption}{text}</figure>'


_INDEX = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{product}: pages and mails</title>
<style>
:root {{ color-scheme: light dark }}
body {{ margin: 0; padding: 0 1.5rem 3rem; font: 1rem/1.5 system-ui, sans-serif }}
form {{ position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem;
  margin: 0 -1.5rem; padding: .75rem 1.5rem; background: Canvas; border-bottom: 1px solid #8888 }}
select {{ font: inherit }}
section {{ scroll-margin-top: 6rem }}
section:not(:has(figure:not([hidden]))) {{ display: none }}
.row {{ display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: 1.5rem }}
figure {{ margin: 0 }}
figure[hidden] {{ display: none }}
figcaption {{ font-size: .875rem }}
figure div {{ overflow: hidden; height: 500px; border: 1px solid #8888; border-radius: .5rem }}
.wide div {{ width: 500px }}
.narrow div {{ width: 180px }}
iframe {{ height: 1000px; border: 0; transform: scale(.5); transform-origin: 0 0 }}
.wide iframe {{ width: 1000px }}
.narrow iframe {{ width: 360px }}
pre {{ max-width: 30rem; max-height: 468px; overflow: auto; margin: 0; padding: 1rem;
  border: 1px solid #8888; border-radius: .5rem; font-size: .8125rem; white-space: pre-wrap;
  overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{product}: pages and mails</h1>
<form>
{filters}</form>
{sections}<script>
const form = document.querySelector("form");
const figures = document.querySelectorAll("figure");
function show() {{
  const wanted = [...new FormData(form)].filter(([, value]) => value);
  const differs = has => wanted.some(([name, value]) => has[name] && has[name] !== value);
  for (const figure of figures) {{
    figure.hidden = differs(figure.dataset);
    figure.querySelector("iframe")?.remove();
    const template = figure.querySelector("template");
    if (template && !figure.hidden) template.after(template.content.cloneNode(true));
  }}
  history.replaceState(null, "", "#" + new URLSearchParams(wanted));
}}
if (location.hash) {{
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const select of form.elements) select.value = wanted.get(select.name) ?? "";
}}
form.addEventListener("change", show);
show();
</script>
</body>
</html>
"""
