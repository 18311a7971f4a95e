"""The stage's settings: what is read, and every mistake told at once."""

import pytest

from chalicelib import settings
from chalicelib.settings import Brand, Settings, SettingsError

ARN = "arn:aws:dynamodb:eu-west-3:123456789012:table/users/stream/2024-01-01T00:00:00.000"
TOPIC = "arn:aws:sns:eu-west-3:123456789012:bienvenue-prod-mail-feedback"
SECRET = "a-secret-of-at-least-32-characters"
ENOUGH = {
    "USERS_TABLE": "users",
    "USERS_STREAM_ARN": ARN,
    "MAIL_FROM": "hello@example.org",
    "BASE_URL": "https://example.org/api",
    "MAIL_FEEDBACK_TOPIC_ARN": TOPIC,
    "LIMITS_TABLE": "limits",
    "SECRET_KEY": SECRET,
}


def problems(**changes: str) -> str:
    """Return what the stage says of ENOUGH with ``changes``."""
    with pytest.raises(SettingsError) as refusal:
        settings.read({**ENOUGH, **changes})
    return str(refusal.value)


def test_seven_settings_are_enough() -> None:
    assert settings.read(ENOUGH) == Settings(
        users_table="users",
        users_stream_arn=ARN,
        mail_from="hello@example.org",
        base_url="https://example.org/api",
        mail_feedback_topic_arn=TOPIC,
        limits_table="limits",
        secret_key=SECRET,
        mails_per_day=None,
        mails_per_hour=None,
        default_lang="fr",
        validate_on_get="same-browser",
        mail_configuration_set="",
        mail_from_name="Bienvenue",
        mail_reply_to="",
        after_validation_url="",
        templates_folder="",
        brand=Brand(product="Bienvenue", accent="", logo_url="", support_address=""),
    )


def test_every_setting_is_read_without_the_spaces_around_it() -> None:
    env = {
        "USERS_TABLE": " people ",
        "USERS_STREAM_ARN": f" {ARN}\n",
        "MAIL_FROM": " hello@example.org ",
        "BASE_URL": " https://example.org/api/ ",
        "MAIL_FEEDBACK_TOPIC_ARN": f" {TOPIC} ",
        "LIMITS_TABLE": " limits ",
        "SECRET_KEY": f" {SECRET}\n",
        "MAILS_PER_DAY": " 45000 ",
        "MAILS_PER_HOUR": " 0 ",
        "DEFAULT_LANG": " en ",
        "VALIDATE_ON_GET": " false ",
        "MAIL_CONFIGURATION_SET": " feedback ",
        "MAIL_FROM_NAME": " Bienvenue chez Acme ",
        "MAIL_REPLY_TO": " help@example.org ",
        "AFTER_VALIDATION_URL": " https://acme.example/hello?from=mail#top ",
        "TEMPLATES_FOLDER": " chalicelib/templates ",
        "PRODUCT_NAME": " Acme ",
        "ACCENT_COLOUR": " #0A5F4D ",
        "LOGO_URL": " https://acme.example/logo.png ",
        "SUPPORT_ADDRESS": " help+me@acme.example ",
        "PATH": "/bin",
    }
    assert settings.read(env) == Settings(
        users_table="people",
        users_stream_arn=ARN,
        mail_from="hello@example.org",
        base_url="https://example.org/api",
        default_lang="en",
        validate_on_get="false",
        mail_feedback_topic_arn=TOPIC,
        limits_table="limits",
        secret_key=SECRET,
        mails_per_day=45_000,
        mails_per_hour=0,
        mail_configuration_set="feedback",
        mail_from_name="Bienvenue chez Acme",
        mail_reply_to="help@example.org",
        after_validation_url="https://acme.example/hello?from=mail#top",
        templates_folder="chalicelib/templates",
        brand=Brand(
            product="Acme",
            accent="#0a5f4d",
            logo_url="https://acme.example/logo.png",
            support_address="help+me@acme.example",
        ),
    )


def test_the_product_is_the_senders_default_name() -> None:
    assert settings.read({**ENOUGH, "PRODUCT_NAME": "Acme"}).mail_from_name == "Acme"


def test_an_empty_setting_is_none() -> None:
    optional = [
        "MAILS_PER_DAY",
        "MAILS_PER_HOUR",
        "MAIL_CONFIGURATION_SET",
        "MAIL_FROM_NAME",
        "MAIL_REPLY_TO",
        "AFTER_VALIDATION_URL",
        "TEMPLATES_FOLDER",
        "PRODUCT_NAME",
        "ACCENT_COLOUR",
        "LOGO_URL",
        "SUPPORT_ADDRESS",
    ]
    env = {**ENOUGH, **dict.fromkeys(optional, " ")}
    assert settings.read(env) == settings.read(ENOUGH)


def test_an_empty_stage_gets_all_missing_settings_listed() -> None:
    with pytest.raises(SettingsError) as refusal:
        settings.read({})
    assert str(refusal.value) == (
        "Bienvenue cannot start: USERS_TABLE is missing; USERS_STREAM_ARN is missing; "
        "MAIL_FROM is missing; BASE_URL is missing; MAIL_FEEDBACK_TOPIC_ARN is missing; "
        "LIMITS_TABLE is missing; SECRET_KEY is missing. Settings are the environment_variables "
        "in stages/<stage>.json, which .venv/bin/chalice reads. A stage that has no table yet "
        "gets it, and them, from: make deploy STAGE=<stage> MAIL_FROM=<address>"
    )


def test_all_wrong_settings_are_reported_together() -> None:
    told = problems(
        USERS_TABLE=" ",
        USERS_STREAM_ARN="users",
        MAIL_FROM="hello",
        BASE_URL="example.org",
        MAIL_FEEDBACK_TOPIC_ARN="feedback",
        DEFAULT_LANG="tlh",
        VALIDATE_ON_GET="maybe",
    )
    for problem in (
        "USERS_TABLE is missing",
        "USERS_STREAM_ARN must be the ARN of a table's stream",
        "MAIL_FROM must be a bare address",
        "BASE_URL must be https://host[/path]",
        "MAIL_FEEDBACK_TOPIC_ARN must be the ARN of an SNS topic",
        "DEFAULT_LANG must be one of ar, de, en, es, fr,",
        "VALIDATE_ON_GET must be same-browser, true or false",
    ):
        assert problem in told


def test_a_missing_setting_is_not_also_called_wrong() -> None:
    assert problems(BASE_URL="", MAIL_FROM="", USERS_STREAM_ARN="").count("must be") == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://example.org:8443",
        "https://example.org/prod",
        "https://abc123.execute-api.eu-west-3.amazonaws.com/api",
        "https://xn--bcher-kva.example/api",
        "http://127.0.0.1:8400/restapis/a/api/_user_request_",
        "http://localhost:8400",
        "http://[::1]:8400",
    ],
)
def test_a_link_can_be_built_on(url: str) -> None:
    assert settings.read({**ENOUGH, "BASE_URL": url}).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://example.org", id="plain http elsewhere than on this machine"),
        pytest.param("http://localhost.example.org", id="plain http on a host named like it"),
        pytest.param("ftp://example.org", id="not http"),
        pytest.param("javascript://example.org/%0aalert(1)", id="a script"),
        pytest.param("example.org/api", id="no scheme"),
        pytest.param("//example.org/api", id="no scheme but a host"),
        pytest.param("https://", id="no host"),
        pytest.param("https:///api", id="no host but a path"),
        pytest.param("https://:443/api", id="a port without a host"),
        pytest.param("https://example.org:http", id="a port that is no number"),
        pytest.param("https://example.org:99999", id="a port that cannot be"),
        pytest.param("https://[::1", id="an open bracket"),
        pytest.param("https://example.org/api?stage=prod", id="a query"),
        pytest.param("https://example.org/api?", id="an empty query"),
        pytest.param("https://example.org/#top", id="a fragment"),
        pytest.param("https://example.org/api#", id="an empty fragment"),
        pytest.param("https://me@example.org", id="a user"),
        pytest.param("https://:secret@example.org", id="a password"),
        pytest.param("https://bücher.example", id="a host that is not in punycode"),
        pytest.param("https://example.org/\x07", id="a control character"),
        pytest.param("https://exam\nple.org", id="a line break"),
        pytest.param("https://exam ple.org", id="a space in the host"),
        pytest.param("https://example.org/a b", id="a space in the path"),
    ],
)
def test_no_link_can_be_built_on(url: str) -> None:
    assert "BASE_URL must be https://host[/path], with nothing after it" in problems(BASE_URL=url)


@pytest.mark.parametrize(
    "sender",
    ["hello@example.org", "no-reply+welcome@mail.example.org", "hello@xn--bcher-kva.example"],
)
def test_mail_can_be_sent_from(sender: str) -> None:
    assert settings.read({**ENOUGH, "MAIL_FROM": sender}).mail_from == sender


@pytest.mark.parametrize(
    "sender",
    [
        pytest.param("hello", id="no domain at all"),
        pytest.param("hello@", id="nothing after the @"),
        pytest.param("@example.org", id="nothing before the @"),
        pytest.param("hello@there@example.org", id="two @"),
        pytest.param("Hello <hello@example.org>", id="a display name"),
        pytest.param("<hello@example.org>", id="angle brackets"),
        pytest.param("hello@example.org,you@example.org", id="two addresses"),
        pytest.param("hello@example.org\nBcc: you@example.org", id="a header of its own"),
        pytest.param("mailto:hello@example.org", id="a link"),
        pytest.param("bonjour@français.example", id="a domain that is not in punycode"),
        pytest.param("élan@example.org", id="a local part that SES cannot send from"),
    ],
)
def test_no_mail_can_be_sent_from(sender: str) -> None:
    assert "MAIL_FROM must be a bare address" in problems(MAIL_FROM=sender)


@pytest.mark.parametrize(
    "arn",
    [
        pytest.param("arn:aws:dynamodb:eu-west-3:123456789012:table/users", id="a table"),
        pytest.param("arn:aws:kinesis:eu-west-3:123456789012:x/stream/y", id="another service"),
        pytest.param("users/stream/2024", id="no ARN"),
    ],
)
def test_what_is_no_stream_is_refused(arn: str) -> None:
    assert "USERS_STREAM_ARN must be the ARN of a table's stream" in problems(USERS_STREAM_ARN=arn)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_a_stream_may_be_in_any_partition(partition: str) -> None:
    arn = ARN.replace("arn:aws:", f"arn:{partition}:")
    read = settings.read({**ENOUGH, "USERS_STREAM_ARN": arn})
    assert read.users_stream_arn == arn


@pytest.mark.parametrize("text", ["True", "1", "no", ""])
def test_validating_on_get_is_true_or_false_and_nothing_like_it(text: str) -> None:
    assert "VALIDATE_ON_GET must be same-browser, true or false" in problems(VALIDATE_ON_GET=text)


@pytest.mark.parametrize("number", ["-1", "1.5", "many", "1e3", "٣", "1" * 13])
@pytest.mark.parametrize("name", ["MAILS_PER_DAY", "MAILS_PER_HOUR"])
def test_a_limit_of_mails_is_a_whole_number(name: str, number: str) -> None:
    assert f"{name} must be a whole number" in problems(**{name: number})


def test_a_secret_key_is_long_enough_and_never_shown() -> None:
    short = SECRET[:31]
    refusal = problems(SECRET_KEY=short)
    assert "SECRET_KEY must be at least 32 characters" in refusal
    assert short not in refusal
    assert SECRET not in repr(settings.read(ENOUGH))


@pytest.mark.parametrize("lang", ["tlh", "FR", "fr-CA", ""])
def test_the_default_language_has_templates(lang: str) -> None:
    assert "DEFAULT_LANG must be one of ar, de, en, es, fr," in problems(DEFAULT_LANG=lang)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        pytest.param("PRODUCT_NAME", "n" * 65, id="a long product"),
        pytest.param("PRODUCT_NAME", "Acme\nBcc: you@example.org", id="a product of two lines"),
        pytest.param("MAIL_FROM_NAME", "Acme\r\nBcc: you@example.org", id="a name of two lines"),
        pytest.param("MAIL_FROM_NAME", "Ac\u2028me", id="a line separator"),
        pytest.param("MAIL_REPLY_TO", "help", id="no address"),
        pytest.param("MAIL_REPLY_TO", "a@example.org, b@example.org", id="two addresses"),
        pytest.param("SUPPORT_ADDRESS", "https://acme.example/help", id="a page"),
        pytest.param("ACCENT_COLOUR", "green", id="a colour by name"),
        pytest.param("ACCENT_COLOUR", "#0a5f4", id="five digits"),
        pytest.param("ACCENT_COLOUR", "#fff}body{display:none", id="a style sheet"),
        pytest.param("LOGO_URL", "logo.png", id="a relative logo"),
        pytest.param("LOGO_URL", "http://acme.example/logo.png", id="a logo over plain http"),
        pytest.param("LOGO_URL", 'https://acme.example/" onerror="x', id="an attribute"),
        pytest.param("AFTER_VALIDATION_URL", "/hello", id="a relative page"),
        pytest.param("AFTER_VALIDATION_URL", "//acme.example", id="a page of any scheme"),
        pytest.param("AFTER_VALIDATION_URL", "javascript:alert(1)", id="a script"),
        pytest.param("AFTER_VALIDATION_URL", "https://me@acme.example/", id="a page with a user"),
        pytest.param("AFTER_VALIDATION_URL", "https://acme.example/\r\nX: y", id="a header"),
        pytest.param("TEMPLATES_FOLDER", "tests", id="a folder that is not shipped"),
    ],
)
def test_what_pages_and_mails_cannot_show_is_refused(name: str, wrong: str) -> None:
    assert f"{name} must be" in problems(**{name: wrong})


@pytest.mark.parametrize("accent", ["#0a5f4d", "#fff", "#ABCDEF"])
def test_an_accent_is_a_colour_in_hexadecimal(accent: str) -> None:
    read = settings.read({**ENOUGH, "ACCENT_COLOUR": accent})
    assert read.brand.accent == accent.lower()


def test_the_support_link_writes_to_that_address_alone() -> None:
    brand = Brand(support_address="help?bcc=you&x+1@acme.example")
    assert brand.support_url == "mailto:help%3Fbcc%3Dyou%26x+1@acme.example"


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        (
            " https://A.example  http://localhost:3000 ",
            ("https://a.example", "http://localhost:3000"),
        ),
    ],
)
def test_allowed_origins_are_separated_by_blanks(text: str, origins: tuple[str, ...]) -> None:
    assert settings.read({**ENOUGH, "ALLOWED_ORIGINS": text}).allowed_origins == origins


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/",
        "https://shop.example/path",
        "https://shop.example:443",
        "http://shop.example",
        "shop.example",
        "https://*.shop.example",
        "* https://shop.example",
        "null",
        "https://a@shop.example",
        "https://büro.example",
    ],
)
def test_an_origin_is_exactly_what_a_browser_sends(text: str) -> None:
    assert "ALLOWED_ORIGINS must be * or origins" in problems(ALLOWED_ORIGINS=text)


def test_return_addresses_are_separated_by_blanks() -> None:
    env = {**ENOUGH, "RETURN_URLS": " https://shop.example/in  myapp://in "}
    read = settings.read(env)
    assert read.return_urls == ("https://shop.example/in", "myapp://in")
    assert "https://shop.example" in read.origins
    assert "RETURN_URLS must be addresses" in problems(RETURN_URLS="http://shop.example")


def test_names_are_optional_required_or_none() -> None:
    assert settings.read({**ENOUGH, "NAMES": " none "}).names == "none"
    assert "NAMES must be optional, required or none" in problems(NAMES="maybe")
