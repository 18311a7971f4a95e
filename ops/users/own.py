"""The own fields of a stage, as the operator's commands need them."""

from chalicelib import own_fields, templates
from chalicelib.own_fields import OwnFields
from chalicelib.templates import Templates
from ops.stage.lookup import Stage


def of(stage: Stage) -> OwnFields | None:
    """Return the fields that this checkout defines for the stage; None if there are none."""
    environment = stage.project.environment
    folder = environment.get("TEMPLATES_FOLDER", "")
    sources = environment.get("SOURCE_FIELDS", "")
    definition = templates.own_file(folder, templates.FIELDS)
    if not (definition or sources):
        return None
    languages = Templates(folder).languages
    own, _ = own_fields.read(
        definition, sources, languages, environment.get("DEFAULT_LANG") or "fr"
    )
    return own
