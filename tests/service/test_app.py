"""Journeys through the app in process: requests in, mails and answers out."""

import html
import json
import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import pytest

from chalicelib.templates import Templates
from chalicelib.web.forms import TRAP
from tests.support.fakes import TOPIC, bounce, complaint, delivery, sent
from tests.support.service import (
    ALEXIS,
    BROWSER,
    FORM,
    JSON,
    Service,
    signed_up,
    subject,
    text,
)

ALEXIS_PUT = {
    "email": {"S": "alexis@example.org"},
    "nom": {"S": "GÜNST HORN"},
    "prenom": {"S": "Alexis"},
}
UPDATE = "dynamodb.UpdateItem"


# Signing up


@pytest.mark.parametrize("post", ["post_json", "post_form"])
def test_a_sign_up_is_stored_mailed_and_validated_by_its_link(service: Service, post: str) -> None:
    answer = getattr(service, post)("/users", {**ALEXIS, "lang": "fr"})
    assert answer.status_code == 202
    assert answer.json_body["status"] == "accepted"
    service.deliver()

    assert [mail["Destination"] for mail in service.mails] == [
        {"ToAddresses": ["alexis@example.org"]}
    ]
    assert subject(service) == "Bienvenue Alexis GÜNST HORN !"
    assert text(service).startswith(
        f"Bienvenue Alexis GÜNST HORN !\n\nMerci de valider votre e-mail: {service.link()}\n"
    )
    item = service.item("alexis@example.org")
    assert (item["prenom"]["S"], item["nom"]["S"], item["lang"]["S"]) == (
        "Alexis",
        "GÜNST HORN",
        "fr",
    )
    assert item["mail"] == {"S": "sent"}

    clicked = service.open(service.link())
    assert (clicked.status_code, clicked.json_body["status"]) == (200, "validated")
    assert "validated_at" in service.item("alexis@example.org")
    again = service.open(service.link())
    assert (again.status_code, again.json_body["status"]) == (200, "already_validated")


def test_a_user_costs_five_writes_no_read_and_one_mail(service: Service) -> None:
    """A batch of any size costs one more write, for the budget. SES's two reports cost one each."""
    signed_up(service, email="first@example.org")
    service.calls.clear()
    service.open(signed_up(service))
    budget = UPDATE
    assert service.calls == [UPDATE, budget, UPDATE, UPDATE, "sesv2.SendEmail", UPDATE, UPDATE]
    service.calls.clear()
    message = [make(ALEXIS["email"], service.link_hash) for make in (sent, delivery)]
    service.report(*message)
    assert service.calls == [UPDATE, UPDATE]


def test_first_name_and_last_name_mean_prenom_and_nom(service: Service) -> None:
    fields = {"email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"}
    service.post_json("/users", fields)
    item = service.item("ada@example.org")
    assert (item["prenom"], item["nom"]) == ({"S": "Ada"}, {"S": "Lovelace"})


@pytest.mark.parametrize(
    ("body_lang", "header", "expected"),
    [
        ("en", "fr", "Confirm your email address for Bienvenue"),
        ("", "en-GB,en;q=0.9,fr;q=0.5", "Confirm your email address for Bienvenue"),
        ("", "tlh, *;q=0.5", "Bienvenue Alexis GÜNST HORN !"),
        ("", "", "Bienvenue Alexis GÜNST HORN !"),
    ],
    ids=["the body decides", "else Accept-Language", "no language of ours", "nothing said"],
)
def test_the_mail_speaks_the_language_of_who_signed_up(
    service: Service, body_lang: str, header: str, expected: str
) -> None:
    service.post_json("/users", {**ALEXIS, "lang": body_lang}, accept_language=header)
    service.deliver()
    assert subject(service) == expected


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("  Alexis@Example.ORG ", "alexis@example.org"),
        ("alexis+news@example.org", "alexis+news@example.org"),
        ("alexis@bücher.example", "alexis@xn--bcher-kva.example"),
    ],
    ids=["case and blanks", "plus", "IDN"],
)
def test_an_odd_address_survives_from_the_form_to_the_click(
    service: Service, typed: str, stored: str
) -> None:
    link = signed_up(service, email=typed)
    assert service.mails[0]["Destination"]["ToAddresses"] == [stored]
    assert parse_qs(urlsplit(link).query)["email"] == [stored]
    assert service.open(link).json_body["status"] == "validated"


# What the article did


def test_the_articles_item_gets_the_articles_mail_and_link(service: Service) -> None:
    service.put(ALEXIS_PUT)
    service.deliver()
    assert subject(service) == "Bienvenue Alexis GÜNST HORN !"
    assert service.open(service.link()).json_body["status"] == "validated"
    assert "expires_at" not in service.item("alexis@example.org")


def test_another_writers_key_is_kept_verbatim(service: Service) -> None:
    service.put({**ALEXIS_PUT, "email": {"S": "Alexis.Horn@Example.org"}})
    service.deliver()
    assert service.mails[0]["Destination"]["ToAddresses"] == ["Alexis.Horn@Example.org"]
    assert service.open(service.link()).json_body["status"] == "validated"
    assert [item["email"]["S"] for item in service.items()] == ["Alexis.Horn@Example.org"]


def test_an_item_without_names_gets_a_greeting_that_reads_well(service: Service) -> None:
    service.put({"email": {"S": "alexis@example.org"}})
    service.deliver()
    assert subject(service) == "Bienvenue !"
    assert service.open(service.link()).status_code == 200


def test_another_writers_bad_item_never_holds_up_the_others(service: Service) -> None:
    service.put({"email": {"S": "not an address"}})
    service.put({**ALEXIS_PUT, "nom": {"M": {}}})
    service.deliver()
    assert [subject(service, n) for n in range(len(service.mails))] == ["Bienvenue Alexis !"]
    failed = service.item("not an address")
    assert (failed["mail"], failed["mail_error"]) == ({"S": "failed"}, {"S": "address_invalid"})


# Links


def test_every_wrong_link_gets_the_same_answer_known_or_not(service: Service) -> None:
    link = signed_up(service)
    token = parse_qs(urlsplit(link).query)["token"][0]
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    answers = [
        service.get(f"/validate?email=alexis%40example.org&token={wrong}"),
        service.get(f"/validate?email=nobody%40example.org&token={token}"),
        service.get("/validate?email=alexis%40example.org&token=short"),
        service.get(f"/validate?email=alexis%40example.org&token={token}&token={token}"),
        service.get(f"/validate?token={token}"),
        service.get("/validate?email=alexis%40example.org"),
        service.get("/validate"),
        service.get(f"/validate?email={'x' * 3000}&token={token}"),
        service.post_json("/validate", {"email": ["alexis@example.org"], "token": token}),
        service.post_json("/validate", {"email": "alexis@example.org"}),
    ]
    assert {(a.status_code, a.body, str(a.headers)) for a in answers} == {
        (400, answers[0].body, str(answers[0].headers))
    }
    assert answers[0].json_body["type"] == "urn:bienvenue:problem:link_invalid"
    assert "validated_at" not in service.item("alexis@example.org")


def test_a_link_dies_after_a_day_and_another_can_be_had(service: Service) -> None:
    link = signed_up(service)
    service.clock.go_by(hours=24)
    expired = service.open(link)
    assert expired.status_code == 410
    assert expired.json_body["type"] == "urn:bienvenue:problem:link_expired"

    answer = service.post_json("/resend", {"email": "alexis@example.org"})
    assert answer.status_code == 202
    service.deliver()
    assert service.open(service.link()).json_body["status"] == "validated"


def test_an_expired_link_never_lives_again(service: Service) -> None:
    earlier = signed_up(service)
    service.clock.go_by(hours=30)
    service.post_json("/resend", {"email": "alexis@example.org"})
    assert service.open(earlier).status_code == 410
    service.deliver()
    assert service.open(earlier).status_code == 410
    assert service.open(service.link()).json_body["status"] == "validated"


def test_the_link_that_is_opened_decides_the_names(service: Service) -> None:
    """A stranger signs the address up, before its owner does and after."""
    signed_up(service, prenom="Mallory", lang="en")
    service.clock.go_by(minutes=10)
    owners = signed_up(service, prenom="Alexis", lang="fr")
    service.clock.go_by(minutes=10)
    signed_up(service, prenom="Mallory", lang="en")
    assert service.open(owners).json_body["status"] == "validated"
    item = service.item(ALEXIS["email"])
    assert (item["prenom"], item["lang"]) == ({"S": "Alexis"}, {"S": "fr"})


@pytest.mark.parametrize("outage", ["nothing runs", "SES is paused"])
def test_an_outage_of_nine_days_loses_nobody(service: Service, outage: str) -> None:
    """An unconfirmed sign-up is kept for seven days, but from when its mail was tried."""
    service.post_json("/users", ALEXIS)
    service.faults["SendEmail"] = "SendingPausedException"
    if outage == "SES is paused":
        service.clock.go_by(minutes=2)
        service.deliver()
        service.drain()
    service.clock.go_by(days=9)
    service.lose_the_stream()
    service.expire()
    service.faults.clear()
    service.drain()
    assert service.open(service.link()).json_body["status"] == "validated"


def test_an_unconfirmed_sign_up_is_deleted_a_week_after_its_mail(service: Service) -> None:
    signed_up(service)
    service.clock.go_by(days=6, hours=23)
    service.expire()
    assert service.items()
    service.clock.go_by(hours=1)
    service.expire()
    assert not service.items()


def test_a_link_lives_until_its_last_second(service: Service) -> None:
    link = signed_up(service)
    service.clock.go_by(hours=23, minutes=59, seconds=59)
    assert service.open(link).json_body["status"] == "validated"


def test_an_expired_page_knows_where_to_send_the_next_link(service: Service) -> None:
    service.put({**ALEXIS_PUT, "email": {"S": "Alexis@Example.org"}})
    service.deliver()
    service.clock.go_by(hours=25)
    token = parse_qs(urlsplit(service.link()).query)["token"][0]
    page = service.open(service.link(), accept=BROWSER)
    assert page.status_code == 410
    assert 'value="Alexis@Example.org"' in page.body.decode()
    service.post_form("/resend", {"email": "Alexis@Example.org", "token": token, "lang": "en"})
    service.deliver()
    assert len(service.mails) == 2
    assert service.open(service.link()).status_code == 200


def test_head_never_validates(service: Service) -> None:
    link = signed_up(service)
    answer = service.request("HEAD", "/" + link.split("/api/")[1])
    assert (answer.status_code, answer.body) == (200, b"")
    assert "validated_at" not in service.item("alexis@example.org")
    assert service.calls[-1] == UPDATE
    assert service.open(link).json_body["status"] == "validated"


# Limits


def test_another_mail_is_sent_only_after_the_cooldown(service: Service) -> None:
    signed_up(service)
    service.clock.go_by(seconds=59)
    for _ in range(3):
        service.post_json("/resend", {"email": "alexis@example.org"})
        service.post_json("/users", ALEXIS)
    service.deliver()
    assert len(service.mails) == 1
    service.clock.go_by(seconds=1)
    service.post_json("/resend", {"email": "alexis@example.org"})
    service.deliver()
    assert len(service.mails) == 2


def test_the_sixth_mail_is_refused(service: Service) -> None:
    signed_up(service)
    for path in ["/users", "/resend"] * 5:
        service.clock.go_by(minutes=10)
        service.post_json(path, ALEXIS if path == "/users" else {"email": ALEXIS["email"]})
        service.deliver()
    assert len(service.mails) == 5


def test_every_link_that_was_mailed_works(service: Service) -> None:
    first = signed_up(service)
    service.clock.go_by(minutes=10)
    signed_up(service)
    assert first != service.link()
    assert service.open(first).json_body["status"] == "validated"
    assert service.open(service.link()).json_body["status"] == "already_validated"


def test_a_validated_user_is_never_touched_by_another_sign_up(service: Service) -> None:
    service.open(signed_up(service))
    before = service.item("alexis@example.org")
    service.clock.go_by(days=30)
    service.post_json("/users", {**ALEXIS, "prenom": "Mallory", "lang": "en"})
    service.post_json("/resend", {"email": "alexis@example.org"})
    service.deliver()
    assert service.item("alexis@example.org") == before
    assert len(service.mails) == 1


def test_many_sign_ups_get_one_mail_each(service: Service) -> None:
    people = [f"user{n}@example.org" for n in range(50)]
    for email in people:
        service.post_json("/users", {**ALEXIS, "email": email})
    service.deliver()
    mailed = [mail["Destination"]["ToAddresses"][0] for mail in service.mails]
    assert sorted(mailed) == sorted(people)


# Nobody is told who is registered


def states(service: Service) -> list[str]:
    """Return one address in every state that an item can be in, and one that nobody ever gave."""
    for state in ("pending", "validated", "throttled", "capped"):
        service.post_json("/users", {**ALEXIS, "email": f"{state}@example.org"})
        service.deliver()
        if state == "validated":
            service.open(service.link())
    for _ in range(4):
        service.clock.go_by(minutes=10)
        service.post_json("/resend", {"email": "capped@example.org"})
        service.deliver()
    assert service.item("capped@example.org")["mail_count"] == {"N": "5"}
    for state in ("bounced", "complained", "refused", "failed"):
        email = f"{state}@example.org"
        created = {"email": {"S": email}, "created_at": {"S": "2026-11-01T12:00:00.000000Z"}}
        service.put({**created, "mail": {"S": state}, "mail_count": {"N": "1"}})
    service.put({"email": {"S": "foreign@example.org"}})
    service.clock.go_by(minutes=10)
    service.post_json("/resend", {"email": "throttled@example.org"})
    return [
        f"{state}@example.org"
        for state in (
            "unknown",
            "pending",
            "validated",
            "throttled",
            "capped",
            "bounced",
            "complained",
            "refused",
            "failed",
            "foreign",
        )
    ]


@pytest.mark.parametrize("path", ["/users", "/resend"])
@pytest.mark.parametrize("accept", ["", BROWSER], ids=["json", "page"])
def test_the_answer_is_the_same_for_every_address_in_one_call(
    service: Service, path: str, accept: str
) -> None:
    answers = {}
    for email in states(service):
        service.calls.clear()
        fields = {**ALEXIS, "email": email} if path == "/users" else {"email": email}
        answer = service.post_form(
            path, fields, accept=accept, cookie=f"__Host-bienvenue={'t' * 43}"
        )
        # Another program's item keeps its words, which takes a sign-up a second update.
        is_second_needed = (email, path) == ("foreign@example.org", "/users")
        assert service.calls == [UPDATE] * (2 if is_second_needed else 1), email
        body = answer.body.decode().replace(email, "<the address that was sent>")
        answers[email] = (answer.status_code, json.dumps(answer.headers), body)
    assert len(set(answers.values())) == 1
    assert answers["unknown@example.org"][0] == 202


# The ticket


@pytest.mark.parametrize("accept", ["", BROWSER], ids=["json", "page"])
def test_every_sign_up_gets_a_new_ticket_in_a_cookie(service: Service, accept: str) -> None:
    answers = [service.post_form("/users", ALEXIS, accept=accept) for _ in range(2)]
    cookies = [answer.headers["Set-Cookie"] for answer in answers]
    for cookie in cookies:
        assert re.fullmatch(
            "__Host-bienvenue=[A-Za-z0-9_-]{43};"
            " Max-Age=604800; Path=/; HttpOnly; SameSite=Lax; Secure",
            cookie,
        )
    assert cookies[0] != cookies[1]


def test_json_holds_the_ticket_of_the_cookie(service: Service) -> None:
    answer = service.post_json("/users", ALEXIS)
    ticket = answer.json_body["ticket"]
    assert answer.headers["Set-Cookie"].startswith(f"__Host-bienvenue={ticket};")


def test_a_client_keeps_the_ticket_that_it_has(service: Service) -> None:
    ticket = service.post_json("/users", ALEXIS).json_body["ticket"]
    by_cookie = service.post_json("/users", ALEXIS, cookie=f"__Host-bienvenue={ticket}")
    by_field = service.post_json("/users", {**ALEXIS, "ticket": ticket})
    assert by_cookie.json_body["ticket"] == by_field.json_body["ticket"] == ticket


# Bad input


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'\xef\xbb\xbf{"email": "bom@example.org", "nom": "Horn"}', JSON),
        (b"\xef\xbb\xbfemail=bom@example.org&nom=Horn", FORM),
    ],
)
def test_a_byte_order_mark_is_no_part_of_a_body(
    service: Service, body: bytes, content_type: str
) -> None:
    assert service.request("POST", "/users", body, content_type).status_code == 202
    assert service.item("bom@example.org")["nom"] == {"S": "Horn"}


@pytest.mark.parametrize("path", ["/users", "/resend", "/validate"])
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", JSON, 400, "body_malformed"),
        (b"", JSON, 400, "body_malformed"),
        (b"[]", JSON, 400, "body_malformed"),
        (b'"text"', JSON, 400, "body_malformed"),
        (b"\xff\xfe", JSON, 400, "body_malformed"),
        (b"[" * 10_000, JSON, 400, "body_malformed"),
        (b'{"a":' * 3_000, JSON, 400, "body_malformed"),
        (b'{"n": ' + b"9" * 5_000 + b"}", JSON, 400, "body_malformed"),
        (b"email=%ff", FORM, 400, "body_malformed"),
        (b" " * 16_385, JSON, 413, "body_too_large"),
        (b"x" * 1_000_000, FORM, 413, "body_too_large"),
        (b"<user/>", "application/xml", 415, "content_type_unsupported"),
        (b"{}", "*/*", 415, "content_type_unsupported"),
        (b"{}", "text/plain, application/json", 415, "content_type_unsupported"),
        (b"--x", "multipart/form-data; boundary=x", 400, "body_malformed"),
        (b"--x--", "multipart/form-data", 400, "body_malformed"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_clear_problem(
    service: Service, path: str, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = service.request("POST", path, body, content_type)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        status,
        "application/problem+json",
    )
    assert answer.json_body["type"] == f"urn:bienvenue:problem:{code}"
    assert [(error["code"], error["pointer"]) for error in answer.json_body["errors"]] == [
        (code, "#")
    ]
    assert (service.calls, service.items()) == ([], [])


WRONG_FIELDS = pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({}, {"email": "field_missing"}),
        ({**ALEXIS, "email": None}, {"email": "field_missing"}),
        ({**ALEXIS, "email": 42}, {"email": "field_not_text"}),
        ({**ALEXIS, "email": {"S": "a@b.example"}}, {"email": "field_not_text"}),
        ({**ALEXIS, "email": "nobody"}, {"email": "address_invalid"}),
        ({**ALEXIS, "email": "a@b.example\r\nBcc: c@d.example"}, {"email": "address_invalid"}),
        ({**ALEXIS, "email": "a\x00@b.example"}, {"email": "address_invalid"}),
        ({**ALEXIS, "email": "a" * 65 + "@example.org"}, {"email": "address_too_long"}),
        ({**ALEXIS, "email": "a" * 300 + "@example.org"}, {"email": "address_too_long"}),
        ({**ALEXIS, "email": "élise@example.org"}, {"email": "address_not_ascii"}),
        ({**ALEXIS, "email": "\ud800@example.org"}, {"email": "address_not_ascii"}),
        ({**ALEXIS, "email": "a@\ud800.example"}, {"email": "address_invalid"}),
        ({**ALEXIS, "prenom": "x" * 65}, {"prenom": "name_too_long"}),
        ({**ALEXIS, "prenom": "Win at https://evil.example"}, {"prenom": "name_link"}),
        ({**ALEXIS, "nom": "evil.example"}, {"nom": "name_link"}),
        ({**ALEXIS, "nom": "a\nb"}, {"nom": "name_control_character"}),
        ({**ALEXIS, "nom": "\ud800"}, {"nom": "name_control_character"}),
        ({**ALEXIS, "first_name": "Alex"}, {"first_name": "field_repeated"}),
        ({**ALEXIS, "email": "a@example.nope"}, {"email": "address_domain_unknown"}),
        ({**ALEXIS, "email": "a\u200b@example.org"}, {"email": "address_invisible_character"}),
        ({**ALEXIS, "lang": ["fr"]}, {"lang": "field_not_text"}),
        ({**ALEXIS, "a/b~c d": "x"}, {"a~1b~0c%20d": "field_unknown"}),
        ({**ALEXIS, "\ud800": "x"}, {"%3F": "field_unknown"}),
        ({**ALEXIS, TRAP: "x"}, {TRAP: "field_unknown"}),
        (
            {"email": "x", "first_name": "a@b", "nom": [], "lang": 1, "role": "admin"},
            {
                "email": "address_invalid",
                "first_name": "name_link",
                "nom": "field_not_text",
                "lang": "field_not_text",
                "role": "field_unknown",
            },
        ),
    ],
)


@WRONG_FIELDS
def test_every_problem_of_a_sign_up_is_shown_on_the_page(
    service: Service, fields: dict[str, object], errors: dict[str, str]
) -> None:
    answer = service.post_json("/users", fields, accept=BROWSER)
    assert answer.status_code == 422
    page = html.unescape(answer.body.decode())
    for code in errors.values():
        assert Templates().words("fr")[f"problem_{code}_detail"].replace("-", "\u2011") in page
    assert (service.calls, service.items()) == ([], [])


@WRONG_FIELDS
def test_all_problems_are_listed_and_nothing_is_written(
    service: Service, fields: dict[str, object], errors: dict[str, str]
) -> None:
    answer = service.post_json("/users", fields)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    problem = answer.json_body
    assert (problem["type"], problem["status"]) == ("urn:bienvenue:problem:fields_invalid", 422)
    found = {error["pointer"].removeprefix("#/"): error["code"] for error in problem["errors"]}
    assert found == errors
    assert all(error["detail"] for error in problem["errors"])
    assert (service.calls, service.items()) == ([], [])


def test_a_form_of_somebodys_product_may_have_more_fields(service: Service) -> None:
    fields = {"email": ALEXIS["email"], "company": "Acme", "utm_source": "ad", "go": "Join"}
    assert service.post_form("/users", fields).status_code == 202
    item = service.item(ALEXIS["email"])
    assert not {"company", "utm_source", "go", "nom"} & set(item)


def test_a_multipart_form_signs_people_up(service: Service) -> None:
    raw = b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\na@example.org\r\n--b--\r\n'
    answer = service.request("POST", "/users", raw, "multipart/form-data; boundary=b")
    assert answer.status_code == 202
    assert "created_at" in service.item("a@example.org")


def test_a_field_that_comes_twice_is_refused(service: Service) -> None:
    for body, content_type in (
        (b'{"email":"a@b.example","email":"c@d.example","nom":"A"}', JSON),
        (b"email=a%40b.example&email=c%40d.example&nom=A", FORM),
    ):
        answer = service.request("POST", "/users", body, content_type)
        assert [error["code"] for error in answer.json_body["errors"]] == ["field_repeated"]
    assert service.items() == []


def test_the_list_of_problems_is_bounded(service: Service) -> None:
    answer = service.post_json("/users", {f"field{n}": "x" for n in range(500)})
    assert len(answer.json_body["errors"]) == 20


def test_a_json_body_needs_no_content_type_and_may_name_utf_8(service: Service) -> None:
    raw = json.dumps(ALEXIS).encode()
    assert service.request("POST", "/users", raw).status_code == 202
    answer = service.request("POST", "/users", raw, "Application/JSON; charset=utf-8")
    assert answer.status_code == 202


def test_a_filled_trap_stores_and_mails_nothing(service: Service) -> None:
    answer = service.post_form("/users", {**ALEXIS, TRAP: "x"})
    assert answer.status_code == 422
    (error,) = answer.json_body["errors"]
    assert (error["code"], error["pointer"]) == ("trap_filled", f"#/{TRAP}")
    assert service.calls == []


def test_a_trapped_person_gets_through_at_the_second_try(service: Service) -> None:
    page = service.post_form("/users", {**ALEXIS, TRAP: "x"}, accept=BROWSER)
    assert page.status_code == 422
    shown = html.unescape(page.body.decode())
    assert Templates().words("fr")["problem_trap_filled_detail"].replace("-", "\u2011") in shown
    assert TRAP not in shown
    assert 'value="GÜNST HORN"' in shown
    assert service.post_form("/users", ALEXIS, accept=BROWSER).status_code == 202


def test_blanks_in_the_trap_count_as_empty(service: Service) -> None:
    assert service.post_form("/users", {**ALEXIS, TRAP: "  "}).status_code == 202


def test_the_trap_is_not_shown_and_password_managers_leave_it(service: Service) -> None:
    page = service.get("/", accept=BROWSER).body.decode()
    assert ".trap { display: none }" in page
    (trap,) = re.findall(rf'<div class="trap".*?name="{TRAP}"(.*?)>', page, re.DOTALL)
    for way_out in (
        "data-1p-ignore",
        "data-bwignore",
        'data-lpignore="true"',
        'autocomplete="off"',
    ):
        assert way_out in trap


# Requests for pages of other origins

OWN_ORIGIN = "https://hello.example.org"
FOREIGN = [
    pytest.param({"sec_fetch_site": "cross-site", "origin": "https://evil.example"}, id="a site"),
    pytest.param({"sec_fetch_site": "cross-site", "origin": "null"}, id="a site that hides"),
    pytest.param({"sec_fetch_site": "cross-site"}, id="a site without Origin"),
    pytest.param(
        {"sec_fetch_site": "same-site", "origin": "https://blog.example.org"}, id="a sibling"
    ),
    pytest.param({"origin": "https://evil.example"}, id="an older browser"),
    pytest.param({"origin": "https://hello.example.org.evil.example"}, id="a longer host"),
    pytest.param({"origin": "http://hello.example.org"}, id="another scheme"),
    pytest.param({"origin": "https://hello.example.org:8443"}, id="another port"),
]
OWN = [
    pytest.param({"sec_fetch_site": "same-origin", "origin": "null"}, id="our page"),
    pytest.param({"sec_fetch_site": "same-origin", "origin": OWN_ORIGIN}, id="our script"),
    pytest.param({"sec_fetch_site": "none"}, id="the address bar"),
    pytest.param({"origin": OWN_ORIGIN}, id="an older browser"),
    pytest.param({"origin": "null"}, id="our page in an older browser"),
    pytest.param({}, id="a program"),
]


@pytest.mark.parametrize("path", ["/", "/users", "/resend", "/validate"])
@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_another_origin_can_post_nothing(
    service: Service, path: str, headers: dict[str, str]
) -> None:
    answer = service.post_form(path, ALEXIS, **headers)
    assert answer.status_code == 403
    assert answer.json_body["type"] == "urn:bienvenue:problem:origin_refused"
    assert service.calls == []


@pytest.mark.parametrize("headers", OWN)
def test_our_own_pages_and_programs_can_post(service: Service, headers: dict[str, str]) -> None:
    assert service.post_form("/users", ALEXIS, **headers).status_code == 202


def test_a_link_opens_from_any_page(service: Service) -> None:
    page = service.open(signed_up(service), accept=BROWSER, sec_fetch_site="cross-site")
    assert page.status_code == 200


@pytest.mark.parametrize("headers", [{"origin": OWN_ORIGIN}, {"sec_fetch_site": "same-origin"}])
def test_a_browser_must_name_the_type_of_a_body(service: Service, headers: dict[str, str]) -> None:
    answer = service.request("POST", "/users", json.dumps(ALEXIS).encode(), **headers)
    assert answer.status_code == 415
    assert service.calls == []


@pytest.mark.parametrize("path", ["/users", "/resend"])
def test_the_address_of_a_form_shows_the_sign_up_page(service: Service, path: str) -> None:
    answer = service.get(path, accept=BROWSER, accept_language="en")
    assert answer.status_code == 200
    assert b"<h1>Sign up</h1>" in answer.body.replace("\u2011".encode(), b"-")


def test_only_the_page_that_waits_may_be_kept_by_a_browser(service: Service) -> None:
    waiting = service.post_form("/users", ALEXIS, accept=BROWSER)
    assert waiting.headers["Cache-Control"] == "private, no-cache"
    assert "Cookie" not in waiting.headers["Vary"]  # its own cookie must not spoil it
    for other in (service.post_json("/users", ALEXIS), service.get("/", accept=BROWSER)):
        assert other.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/users"), ("PATCH", "/resend"), ("DELETE", "/validate")]
)
def test_an_unknown_method_is_a_problem_that_names_the_others(
    service: Service, method: str, path: str
) -> None:
    answer = service.request(method, path)
    assert answer.status_code == 405
    assert answer.json_body["type"] == "urn:bienvenue:problem:method_not_allowed"
    assert answer.headers["Allow"]


# Answers


def test_every_answer_has_the_headers_of_all(service: Service) -> None:
    for answer in (
        service.get("/", accept=BROWSER),
        service.post_json("/users", ALEXIS),
        service.post_json("/users", {}),
        service.request("PUT", "/users"),
        service.get("/validate"),
        service.get("/openapi.json"),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["Vary"] == "Accept, Accept-Language, Cookie, Origin"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_a_browser_gets_its_language_under_a_strict_policy(service: Service, lang: str) -> None:
    def browse(answer_of: str, *args: object) -> str:
        answer = getattr(service, answer_of)(*args, accept=BROWSER, accept_language=lang)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Content-Language"] == lang
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        page = answer.body.decode()
        assert f'<html lang="{lang}"' in page
        assert "<script" not in page
        assert "$" not in page
        assert len(answer.body) < 10_000
        pages.append(page)
        return page

    pages: list[str] = []
    assert 'name="email"' in browse("get", "/")
    assert "alexis@example.org" in browse("post_form", "/users", ALEXIS)
    wrong = browse("post_form", "/users", {"email": "a@b", "prenom": '"><b>', "nom": ""})
    assert 'aria-invalid="true"' in wrong
    assert "&quot;&gt;&lt;b&gt;" in wrong
    service.deliver()
    query = service.link().split("?")[1]
    browse("get", f"/validate?{query}")  # the button
    browse("post_form", "/validate", dict(parse_qsl(query)))
    browse("get", f"/validate?{query}")  # validated already
    browse("get", "/validate?email=a&token=b")
    browse("post_json", "/users", [])
    browse("post_form", "/resend", {"email": "a"})
    assert len(set(pages)) == len(pages)


def test_a_click_is_answered_in_the_mails_language_by_default(
    service: Service,
) -> None:
    link = signed_up(service, lang="en")
    english = service.open(link, accept=BROWSER, accept_language="fr")
    assert english.headers["Content-Language"] == "en"
    french = service.open(f"{link}&lang=fr", accept=BROWSER, accept_language="en")
    assert french.headers["Content-Language"] == "fr"


@pytest.mark.parametrize("lang", ["en", "en-GB", " EN "])
def test_the_answer_speaks_the_language_of_the_mail(service: Service, lang: str) -> None:
    answer = service.post_json("/users", {**ALEXIS, "lang": lang}, accept_language="fr")
    assert answer.headers["Content-Language"] == "en"
    service.deliver()
    assert subject(service) == "Confirm your email address for Bienvenue"
    again = service.post_json("/resend", {"email": ALEXIS["email"], "lang": lang})
    assert again.headers["Content-Language"] == "en"


def test_the_query_may_choose_the_language(service: Service) -> None:
    page = service.get("/?lang=en", accept=BROWSER, accept_language="fr")
    assert page.headers["Content-Language"] == "en"
    assert service.get("/?lang=tlh", accept=BROWSER).headers["Content-Language"] == "fr"


def test_a_fault_of_dynamodb_is_answered_as_unavailable(service: Service) -> None:
    service.faults["UpdateItem"] = "InternalServerError"
    answers = [
        service.post_json("/users", ALEXIS),
        service.post_json("/resend", {"email": "alexis@example.org"}),
        service.get(f"/validate?email=a&token={'x' * 43}"),
    ]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    for answer in answers:
        assert answer.json_body["type"] == "urn:bienvenue:problem:service_unavailable"


def test_a_bug_is_answered_and_logged_without_what_people_sent(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"while storing {ALEXIS['email']}")

    monkeypatch.setattr("chalicelib.users.store.Users.sign_up", broken)
    answer = service.post_json("/users", ALEXIS)
    assert answer.status_code == 500
    assert answer.json_body["type"] == "urn:bienvenue:problem:internal_error"
    assert "RuntimeError" in caplog.text
    assert "broken" in caplog.text
    assert "alexis" not in caplog.text


def test_no_log_line_names_anybody(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="chalicelib")
    service.put({**ALEXIS_PUT, "email": {"S": "alexis at nowhere"}})
    link = signed_up(service)
    service.open(link)
    assert "mail sent user=" in caplog.text
    token = parse_qs(urlsplit(link).query)["token"][0]
    for secret in ("alexis", "GÜNST", "HORN", "example.org", token, quote(token)):
        assert secret not in caplog.text


def test_a_log_line_is_not_made_dear_by_what_nobody_prints(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="chalicelib")
    signed_up(service)
    lines = [record for record in caplog.records if record.name.startswith("chalicelib")]
    assert lines
    for line in lines:
        assert (line.process, line.processName, line.thread, line.lineno) == (None, None, None, 0)


# What SES reports


def test_a_mail_is_delivered_when_ses_says_so(service: Service) -> None:
    signed_up(service)
    service.report(delivery(ALEXIS["email"], service.link_hash), sent(ALEXIS["email"]))
    assert service.item(ALEXIS["email"])["mail"] == {"S": "delivered"}
    assert service.open(service.link()).json_body["status"] == "validated"


@pytest.mark.parametrize("path", ["/users", "/resend"])
@pytest.mark.parametrize("report", [bounce, complaint], ids=["bounce", "complaint"])
def test_an_address_that_refuses_mail_gets_no_more(
    service: Service, path: str, report: Any
) -> None:
    signed_up(service)
    service.report(report(ALEXIS["email"], service.link_hash))
    before = service.item(ALEXIS["email"])
    service.clock.go_by(days=1)
    service.post_json(path, ALEXIS if path == "/users" else {"email": ALEXIS["email"]})
    service.deliver()
    assert service.item(ALEXIS["email"]) == before
    assert len(service.mails) == 1


def test_a_report_by_another_topic_changes_nothing(service: Service) -> None:
    signed_up(service)
    message = bounce(ALEXIS["email"], service.link_hash)
    service.report(message, topic=TOPIC.replace("prod", "evil"))
    assert service.item(ALEXIS["email"])["mail"] == {"S": "sent"}


def test_a_report_without_our_tag_changes_nothing(service: Service) -> None:
    service.open(signed_up(service))
    service.report(bounce(ALEXIS["email"]), complaint(ALEXIS["email"]))
    assert service.item(ALEXIS["email"])["mail"] == {"S": "sent"}


def test_a_bounce_that_names_others_touches_none_of_them(service: Service) -> None:
    """The recipient's own server writes the names."""
    service.open(signed_up(service, email="victim@example.org"))
    signed_up(service, email="mallory@example.org")
    message = bounce("mallory@example.org", service.link_hash)
    message["bounce"]["bouncedRecipients"] = [
        {"emailAddress": "victim@example.org", "action": "failed"}
    ]
    service.report(message)
    assert service.item("victim@example.org")["mail"] == {"S": "sent"}
    assert service.item("mallory@example.org")["mail"] == {"S": "bounced"}


# What the stream's mailer leaves to the drain


def test_mail_that_the_stream_lost_is_sent_by_the_drain(service: Service) -> None:
    service.post_json("/users", ALEXIS)
    service.lose_the_stream()
    service.clock.go_by(seconds=60)
    service.drain()
    assert service.mails == []
    service.clock.go_by(seconds=1)
    service.drain()
    assert len(service.mails) == 1
    assert service.open(service.link()).json_body["status"] == "validated"


def test_another_programs_lost_item_is_found_within_a_day(service: Service) -> None:
    service.put(ALEXIS_PUT)
    service.lose_the_stream()
    for _ in range(24):
        service.drain()
        service.deliver()
        service.clock.go_by(hours=1)
    assert len(service.mails) == 1
    assert service.open(service.link()).json_body["status"] == "validated"


def test_a_drain_with_nothing_owed_asks_ses_for_nothing(service: Service) -> None:
    service.open(signed_up(service))
    service.drain()
    service.calls.clear()
    service.drain()
    assert service.calls == ["dynamodb.UpdateItem", *["dynamodb.Query"] * 16, "dynamodb.UpdateItem"]


def test_a_body_that_is_no_text_is_malformed(service: Service) -> None:
    answer = service.app.app(
        {
            "requestContext": {"httpMethod": "POST", "resourcePath": "/users"},
            "headers": {"content-type": JSON},
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "body": "not base64",
            "isBase64Encoded": True,
        },
        None,
    )
    assert answer["statusCode"] == 400
    assert "body_malformed" in answer["body"]
