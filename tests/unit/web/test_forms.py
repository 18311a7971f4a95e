"""Sign-ups: the fields that make one, and every problem by field and code."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.users import tokens
from chalicelib.users.people import SignUp
from chalicelib.web import forms
from chalicelib.web.body import REPEATED
from chalicelib.web.forms import FIELDS, MAX_PROBLEMS, Invalid, Problem, Resend, SignUpForm

LANGUAGES = ("fr", "en")
ALEXIS = {"email": "alexis@example.org", "prenom": "Alexis", "nom": "GÜNST HORN"}

Checked = TypeVar("Checked")

json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["a@example.org", "Alexis", "fr", "", REPEATED]),
    ),
    lambda values: st.one_of(
        st.lists(values, max_size=3), st.dictionaries(st.text(max_size=5), values, max_size=3)
    ),
    max_leaves=5,
)
bodies = st.dictionaries(
    st.one_of(st.sampled_from([*FIELDS, "token"]), st.text(max_size=10)), json_values, max_size=30
)


def outcome_of(check: Callable[[], Checked]) -> Checked | tuple[Problem, ...]:
    """Return what ``check`` returns, or the problems that it refuses with.

    Anything else is a bug.
    """
    try:
        return check()
    except Invalid as refusal:
        return refusal.problems


def as_id(value: object) -> str | None:
    """Name a case by the fields that it is about."""
    if not isinstance(value, dict):
        return ""
    return ", ".join(f"{name} {'twice' if v is REPEATED else v!r:.30}" for name, v in value.items())


def problems(**fields: object) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as refusal:
        SignUpForm(LANGUAGES).read(fields, "fr")
    return {(problem.field, problem.code) for problem in refusal.value.problems}


def test_a_sign_up_is_made_canonical() -> None:
    sent = {
        "email": " Alexis+1@Bücher.example ",
        "prenom": " Alexis ",
        "nom": "GU\u0308NST HORN",
        "lang": "EN-gb",
    }
    assert SignUpForm(LANGUAGES).read(sent, "fr") == SignUp(
        "alexis+1@xn--bcher-kva.example", "Alexis", "GÜNST HORN", "en"
    )


@pytest.mark.parametrize(
    ("names", "prenom", "nom"),
    [
        pytest.param({"first_name": "Ada", "last_name": "King"}, "Ada", "King", id="in English"),
        pytest.param({"first_name": "Ada", "nom": "King"}, "Ada", "King", id="in both languages"),
        pytest.param({"prenom": "Ada"}, "Ada", "", id="a first name alone"),
        pytest.param({"nom": "King"}, "", "King", id="a last name alone"),
        pytest.param({"prenom": "Ada", "nom": ""}, "Ada", "", id="an empty last name"),
        pytest.param({"prenom": None, "nom": "King"}, "", "King", id="no first name, said so"),
        pytest.param({"prenom": " ", "nom": "King"}, "", "King", id="a first name of spaces"),
        pytest.param({"prenom": "", "first_name": "Ada"}, "Ada", "", id="one of two is empty"),
    ],
)
def test_one_name_is_enough(names: dict[str, object], prenom: str, nom: str) -> None:
    person = SignUpForm(LANGUAGES).read({"email": "ada@example.org", **names}, "fr")
    assert (person.prenom, person.nom) == (prenom, nom)


@pytest.mark.parametrize(
    ("asked", "lang"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en-GB", "en"),
        ("en_AU.UTF-8", "en"),
        (" en ", "en"),
        ("", "fr"),
        (None, "fr"),
        (" ", "fr"),
        ("tlh", "fr"),
        ("nl_BE", "fr"),
        ("x" * 10_000, "fr"),
    ],
)
def test_the_language_is_theirs_or_else_the_one_given(asked: object, lang: str) -> None:
    assert SignUpForm(LANGUAGES).read({**ALEXIS, "lang": asked}, "fr").lang == lang


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"email": None}, ("email", "field_missing")),
        ({"email": ""}, ("email", "field_missing")),
        ({"email": " "}, ("email", "address_invalid")),
        ({"email": "alexis"}, ("email", "address_invalid")),
        ({"email": "élan@example.org"}, ("email", "address_not_ascii")),
        ({"email": "a" * 300}, ("email", "address_too_long")),
        ({"email": "a@example.nope"}, ("email", "address_domain_unknown")),
        ({"email": "a\u200bb@example.org"}, ("email", "address_invisible_character")),
        ({"email": 5}, ("email", "field_not_text")),
        ({"email": ["alexis@example.org"]}, ("email", "field_not_text")),
        ({"email": REPEATED}, ("email", "field_repeated")),
        ({"prenom": True}, ("prenom", "field_not_text")),
        ({"prenom": 0}, ("prenom", "field_not_text")),
        ({"prenom": {}}, ("prenom", "field_not_text")),
        ({"prenom": "n" * 65}, ("prenom", "name_too_long")),
        ({"nom": "evil.example"}, ("nom", "name_link")),
        ({"nom": "Ale\nxis"}, ("nom", "name_control_character")),
        ({"nom": REPEATED}, ("nom", "field_repeated")),
        ({"first_name": "Ada"}, ("first_name", "field_repeated")),
        ({"nom": None, "last_name": "www."}, ("last_name", "name_link")),
        ({"prenom": "Call 0800", "nom": "1234 now"}, ("nom", "name_phone_number")),
        (
            {"prenom": "Call 0800", "nom": None, "last_name": "1234"},
            ("last_name", "name_phone_number"),
        ),
        ({"lang": 1}, ("lang", "field_not_text")),
        ({"role": "admin"}, ("role", "field_unknown")),
        ({"Email": "a@example.org"}, ("Email", "field_unknown")),
        ({"validated_at": None}, ("validated_at", "field_unknown")),
    ],
    ids=as_id,
)
def test_a_problem_names_its_field_as_it_was_sent(
    changes: dict[str, object], problem: tuple[str, str]
) -> None:
    assert problems(**{**ALEXIS, **changes}) == {problem}


def test_a_name_is_welcome_and_none_is_fine() -> None:
    sign_up = SignUpForm(LANGUAGES).read({"email": "a@example.org"}, "fr")
    assert (sign_up.prenom, sign_up.nom) == ("", "")


@pytest.mark.parametrize(
    "names", [{}, {"nom": " ", "prenom": None}, {"prenom": "\u3164", "nom": "\u200b"}]
)
def test_a_stage_may_require_a_name(names: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refusal:
        SignUpForm(LANGUAGES, names="required").read({"email": "a@example.org", **names}, "fr")
    assert refusal.value.problems == (Problem("name_missing", "prenom"),)


@pytest.mark.parametrize(
    ("names", "field"),
    [
        ({"first_name": "", "last_name": ""}, "first_name"),
        ({"last_name": ""}, "last_name"),
        ({"nom": "", "first_name": None}, "first_name"),
    ],
)
def test_a_missing_name_is_spelled_as_its_sender_does(names: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        SignUpForm(LANGUAGES, names="required").read({"email": "a@example.org", **names}, "fr")
    assert refusal.value.problems == (Problem("name_missing", field),)


def test_a_stage_may_take_no_names() -> None:
    with pytest.raises(Invalid) as refusal:
        SignUpForm(LANGUAGES, names="none").read(ALEXIS, "fr")
    assert {problem.code for problem in refusal.value.problems} == {"field_unknown"}
    sign_up = SignUpForm(LANGUAGES, names="none").read(ALEXIS, "fr", is_form=True)
    assert (sign_up.prenom, sign_up.nom) == ("", "")


def test_a_form_may_have_fields_of_its_own() -> None:
    fields = {**ALEXIS, "company": "Acme", "utm_source": REPEATED, "go": "Sign up"}
    assert SignUpForm(LANGUAGES).read(fields, "fr", is_form=True).nom == ALEXIS["nom"]
    assert forms.read_resend(fields, is_form=True) == Resend(ALEXIS["email"], "")


def test_a_name_that_is_refused_is_not_also_missing() -> None:
    assert problems(email="a@example.org", last_name=5) == {("last_name", "field_not_text")}


def test_all_faults_of_a_form_are_reported_at_once() -> None:
    told = problems(email="alexis", prenom="www.evil", nom=[], lang="de", role="admin")
    assert told == {
        ("email", "address_invalid"),
        ("prenom", "name_link"),
        ("nom", "field_not_text"),
        ("role", "field_unknown"),
    }


def test_an_answer_cannot_be_blown_up() -> None:
    with pytest.raises(Invalid) as refusal:
        SignUpForm(LANGUAGES).read({f"field {number}": 1 for number in range(1000)}, "fr")
    assert len(refusal.value.problems) == MAX_PROBLEMS


def test_a_refusal_can_be_logged_for_it_quotes_nothing() -> None:
    with pytest.raises(Invalid) as refusal:
        SignUpForm(LANGUAGES).read({"email": "alexis@", "nom": "www.evil"}, "fr")
    assert str(refusal.value) == "address_invalid, name_link"


@given(bodies)
def test_any_body_is_a_sign_up_or_gets_errors(fields: dict[str, object]) -> None:
    outcome = outcome_of(lambda: SignUpForm(LANGUAGES).read(fields, "fr"))
    if isinstance(outcome, SignUp):
        assert outcome.email
        assert outcome.lang in LANGUAGES
        assert set(fields) <= set(FIELDS)
    else:
        assert 0 < len(outcome) <= MAX_PROBLEMS
        assert {problem.field for problem in outcome} <= {*fields, "email", "prenom"}


@given(bodies)
def test_any_body_is_a_resend_or_gets_errors(
    fields: dict[str, object],
) -> None:
    outcome = outcome_of(lambda: forms.read_resend(fields))
    if isinstance(outcome, Resend):
        assert 0 < len(outcome.email.encode()) <= 2048
        assert set(fields) <= {"email", "token", "lang"}
    else:
        assert 0 < len(outcome) <= MAX_PROBLEMS
        assert {problem.field for problem in outcome} <= {*fields, "email"}


def test_a_typed_address_is_resent_to_its_canonical_spelling() -> None:
    for token in ({}, {"token": ""}):
        wanted = forms.read_resend({"email": " Alexis@Example.org ", **token})
        assert wanted == Resend("alexis@example.org", "")


def test_an_expired_link_keeps_the_spelling_of_its_address() -> None:
    link = {"email": "Alexis@Example.org", "token": "A" * 43, "lang": "en"}
    wanted = forms.read_resend(link)
    assert wanted == Resend("Alexis@Example.org", tokens.digest("A" * 43))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, ("email", "field_missing")),
        ({"token": "A" * 43}, ("email", "field_missing")),
        ({"email": "alexis"}, ("email", "address_invalid")),
        ({"email": "a" * 2049, "token": "A" * 43}, ("email", "address_invalid")),
        ({"email": "a@example.org", "token": 1}, ("token", "field_not_text")),
        ({"email": "a@example.org", "token": REPEATED}, ("token", "field_repeated")),
        ({"email": "a@example.org", "role": "Ada"}, ("role", "field_unknown")),
    ],
    ids=as_id,
)
def test_asking_for_a_link_is_refused_with_its_reason(
    fields: dict[str, object], problem: tuple[str, str]
) -> None:
    with pytest.raises(Invalid) as refusal:
        forms.read_resend(fields)
    assert [(each.field, each.code) for each in refusal.value.problems] == [problem]
