"""A stage with fields of its own, for tests: one of each type, and sources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chalicelib import own_fields, templates
from tests.support.service import Service, running

FOLDER = "chalicelib/brands/acme"
SOURCES = "utm_* ref"
DEFINITION: dict[str, Any] = {
    "company": {
        "type": "text",
        "label": {"en": "Company", "fr": "Entreprise", "ar": "الشركة"},
        "hint": {"en": "As on your invoices.", "ar": "كما يظهر في فواتيرك."},
        "max": 40,
        "required": True,
        "autocomplete": "organization",
    },
    "website": {"type": "text", "label": {"en": "Website", "ar": "الموقع"}, "links": True},
    "plan": {
        "type": "choice",
        "label": {"en": "Plan", "fr": "Formule", "ar": "الخطة"},
        "choices": {
            "free": {"en": "Free", "fr": "Gratuite", "ar": "مجانية"},
            "pro": {"en": "Professional", "fr": "Professionnelle", "ar": "احترافية"},
        },
    },
    "beta": {"type": "checkbox", "label": {"en": "Show me new features early"}},
    "terms": {
        "type": "consent",
        "label": {
            "en": "I agree to the [terms of use](https://acme.example/terms).",
            "fr": "J'accepte les [conditions](https://acme.example/cgu).",
            "ar": "أوافق على [شروط الاستخدام](https://acme.example/terms).",
        },
        "required": True,
    },
    "news": {
        "type": "consent",
        "label": {"en": "Send me the newsletter, once a month.", "fr": "Envoyez-moi la lettre."},
        "hint": {"en": "You can withdraw this at any time."},
    },
}
ANSWERS = {"company": "Acme", "plan": "pro", "beta": "true", "terms": "true"}
"""What a form sends that fills in what has to be, and more."""


def read(sources: str = SOURCES) -> own_fields.OwnFields:
    """Return the definition as a stage reads it."""
    own, mistakes = own_fields.read(
        json.dumps(DEFINITION), sources, templates.Templates().languages, "fr"
    )
    assert mistakes == []
    return own


def write(package: Path, definition: object = DEFINITION) -> None:
    """Write the definition into the stage's folder of a package."""
    path = package / FOLDER / templates.FIELDS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(definition), encoding="utf-8")


@contextmanager
def serving(package: Path, **settings: str) -> Iterator[Service]:
    """A service with these fields and sources."""
    write(package)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "PACKAGE", package)
        chosen = {"TEMPLATES_FOLDER": FOLDER, "SOURCE_FIELDS": SOURCES, **settings}
        with running(**chosen) as service:
            yield service
