"""``python -m ops``: errors as sentences, and a traceback on request."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from ops.__main__ import COMMAND_GROUPS, ops
from ops.deploy import command as deploy_command
from ops.deploy.deployment import Deployed, Options
from ops.resources.api.rest_api import Throttle
from ops.resources.settings import shared_settings
from ops.run import local_stack
from ops.stage import lookup
from ops.stage.cloud import Cloud
from ops.stage.errors import RunError
from ops.stage.project import CHECKOUT


def run(*arguments: str) -> Result:
    return CliRunner().invoke(ops, arguments)


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(local_stack, "run", fail)


def test_deploy_reports_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = run("deploy", "--stage", "prod")
    assert done.exit_code == 1
    assert done.stdout == "✗ Account\n"
    assert done.stderr == (
        "Error: There are no AWS credentials here: set AWS_PROFILE, or run: aws configure\n"
    )


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_the_stage_of_make_run_is_neither_deployed_nor_destroyed(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(lookup, "account", lambda: pytest.fail("asked for an account"))
    done = run(command, "--stage", "local")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: local is what make run runs: end that with Ctrl-C, or choose another name.\n",
    )


def test_an_ops_error_is_shown_as_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, RunError("Port 8400 is taken."))
    done = run("run")
    assert (done.exit_code, done.stderr) == (1, "Error: Port 8400 is taken.\n")


def test_an_unforeseen_error_names_the_debug_option(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, ValueError("boom"))
    done = run("run")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ValueError: boom. This is a bug in Bienvenue. Put ")


@pytest.mark.parametrize("error", [RunError("ours"), ValueError("boom")])
def test_debug_shows_the_error_itself(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    fail_with(monkeypatch, error)
    assert run("--debug", "run").exception is error


def test_ctrl_c_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, KeyboardInterrupt())
    done = run("run")
    assert done.exit_code == 130
    assert done.stderr == "\nInterrupted. You can run it again safely.\n"


def test_help_describes_each_command_within_80_columns() -> None:
    described = run("--help").stdout
    for group, names in COMMAND_GROUPS.items():
        assert f"{group}:" in described
        for name in names:
            assert re.search(rf"^  {name} +\w", described, re.MULTILINE)
    assert "..." not in described.partition("Options:")[2]
    assert max(map(len, described.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "unloaded"),
    [
        (["users", "list", "--help"], ("ops.resources", "ops.doctor", "chalice")),
        (["metrics", "--help"], ("ops.resources", "chalice")),
        (["preview", "--help"], ("ops.resources", "chalice")),
    ],
)
def test_a_command_loads_no_other_command(arguments: list[str], unloaded: tuple[str, ...]) -> None:
    """In a process of its own, since this one has loaded all of them."""
    code = (
        "import sys\nfrom ops.__main__ import ops\n"
        f"ops({arguments!r}, standalone_mode=False)\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "ops.__main__" in loaded
    assert loaded.isdisjoint(unloaded)


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace `run` with one that ends at once, after a line on standard output."""
    monkeypatch.setattr(local_stack, "run", lambda *_, **__: None)


def status(*arguments: str) -> int:
    """Return the exit status of the command line."""
    with pytest.raises(SystemExit) as ended:
        ops(arguments, prog_name="ops")
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with links to the code and to this Python."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "installed").touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    for name in ("ops", "chalicelib", "bienvenue"):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    return tmp_path


def bienvenue(checkout: Path, *arguments: str, **env: str) -> str:
    """Run ./bienvenue of a checkout from another folder, and return its output."""
    done = subprocess.run(
        [checkout / "bienvenue", *arguments],
        cwd="/",
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_bienvenue_runs_from_any_folder(checkout: Path) -> None:
    assert bienvenue(checkout, "users", "list", "--help").startswith(
        "Usage: ./bienvenue users list"
    )


def test_record_names_the_deploy_that_reaches_a_rehearsal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session: Any = SimpleNamespace(client=lambda _: None)
    cloud = Cloud(session, "0", "eu-west-3", str, endpoint="http://127.0.0.1:8400")
    monkeypatch.setattr(lookup, "account", lambda: cloud)
    monkeypatch.setattr(shared_settings, "download", lambda *_: False)
    done = run("record", "--stage", "demo")
    assert done.exit_code == 1
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:8400 make deploy STAGE=demo" in done.stderr


@pytest.mark.parametrize(
    ("made", "command", "needed"),
    [
        ("installed", "run", ""),
        ("run", "run", ""),
        ("run", "doctor", ""),
        ("deploy", "doctor", ""),
        ("deploy", "run", ".venv/run"),
        ("made", "doctor", ".venv/deploy"),
        ("made", "run", ".venv/run"),
    ],
)
def test_bienvenue_installs_what_its_command_needs(
    checkout: Path, made: str, command: str, needed: str
) -> None:
    (checkout / ".venv" / "installed").unlink()
    (checkout / ".venv" / made).touch()
    make = checkout / "make"
    make.write_text('#!/bin/sh\necho "$@" >> "${0%/*}/asked"\n')
    make.chmod(0o755)
    path = f"{checkout}:{os.environ['PATH']}"
    assert "Usage: ./bienvenue" in bienvenue(checkout, command, "--help", PATH=path)
    asked = checkout / "asked"
    assert (asked.read_text().split()[-1] if asked.exists() else "") == needed


def test_bienvenue_completes_commands_in_the_shell(checkout: Path) -> None:
    words = {"COMP_WORDS": "./bienvenue us", "COMP_CWORD": "1"}
    assert bienvenue(checkout, _BIENVENUE_COMPLETE="bash_complete", **words) == "plain,users\n"
    words = {"COMP_WORDS": "./bienvenue users re", "COMP_CWORD": "2"}
    shown = bienvenue(checkout, _BIENVENUE_COMPLETE="bash_complete", **words)
    assert shown.split() == ["plain,resend", "plain,refuse"]


PRINT_A_NAME = r"""
import click
from ops.__main__ import ops
from ops.run import local_stack
local_stack.run = lambda *_, **__: click.echo(click.style("\u2713 Zo\xeb \u6f22\u5b57", fg="green"))
ops(["run"])
"""


@pytest.mark.parametrize(
    "setting",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "cp1252"},
    ],
)
def test_pipes_and_files_get_utf_8_in_any_locale(setting: dict[str, str]) -> None:
    code = [sys.executable, "-c", PRINT_A_NAME]
    done = subprocess.run(code, cwd=CHECKOUT, env={**os.environ, **setting}, capture_output=True)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert "✓ Zoë 漢字\n" in done.stdout.decode("utf-8")


def on_a_terminal(encoding: str = "utf-8", **setting: str) -> str:
    """Return what a pseudo-terminal shows of a command that prints a name."""
    reading, terminal = pty.openpty()
    code = [sys.executable, "-c", PRINT_A_NAME]
    env = {**os.environ, "TERM": "xterm", **setting}
    subprocess.run(code, cwd=CHECKOUT, env=env, stdout=terminal, stderr=terminal, timeout=60)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError), os.fdopen(reading, "rb", buffering=0) as output:
        while part := output.read(4096):
            shown += part
    return shown.decode(encoding)


def test_a_terminal_gets_replacements_for_what_it_cannot_show() -> None:
    assert "? Zoë ??" in on_a_terminal("latin-1", PYTHONIOENCODING="latin-1")


def test_no_color_means_no_colours() -> None:
    assert "\x1b[32m✓ Zoë" in on_a_terminal()
    shown = on_a_terminal(NO_COLOR="1")
    assert "✓ Zoë 漢字" in shown
    assert "\x1b" not in shown


@pytest.mark.usefixtures("nothing_runs")
def test_a_closed_pipe_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert status("run") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("nothing_runs")
def test_a_closed_pipe_is_not_an_error_when_flushed_either(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(click, "echo", lambda text: sys.stdout.write(text))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert status("run") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("nothing_runs")
def test_a_full_disk_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert status("run") == 1
    assert capsys.readouterr().err == (
        "Error: The output cannot be written: No space left on device.\n"
    )


@pytest.mark.usefixtures("nothing_runs")
def test_closed_output_is_discarded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert status("run") == 0
    sys.stdout.close()
    sys.stderr.close()


def test_closed_input_is_empty_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(local_stack, "run", lambda *_, **__: click.prompt("Go on"))
    assert status("run") == 1
    assert "You did not confirm: nothing was done." in capsys.readouterr().err
    sys.stdin.close()


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_stack, "run", lambda *_, **__: (tmp_path / "no" / "x").read_text())
    done = run("run")
    assert (done.exit_code, done.stderr) == (
        1,
        f"Error: {tmp_path}/no/x: No such file or directory. Fix that, or name another file.\n",
    )


def test_an_unforeseen_system_error_is_a_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_with(monkeypatch, ConnectionResetError(104, "Connection reset by peer"))
    assert "This is a bug in Bienvenue" in run("run").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["deploy"], "Missing option '--stage'"),
        (["run", "--port", "70000"], "Invalid value for '--port'"),
        (["run", "--set", "DEFAULT_LNAG=en"], "Did you mean DEFAULT_LANG?"),
        (["deploy", "--stage", "prod", "--throttle-rate", "0"], "Invalid value for"),
        (["deploy", "--stage", "prod", "--throttle-rate", "nan"], "Invalid value for"),
        (["deploy", "--stage", "prod", "--per-ip-rate", "9"], "no limit below 10; 0 means none"),
        (["deploy", "--stage", "prod", "--throttle-rate", "inf"], "Invalid value for"),
        (["users", "resend", "--stage", "prod", "--owed", "--rate", "nan"], "Invalid value for"),
        (["deploy", "--stage", "prod", "--log-days", "91"], "Invalid value for '--log-days'"),
        (["destroy"], "Missing option '--stage'"),
        (["remove"], "No such command 'remove'"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--throttle-rate", "2.5"], {"throttle": Throttle(rate=2.5)}),
        (["--throttle-rate", "5", "--throttle-burst", "10"], {"throttle": Throttle(5, 10)}),
        (["--per-ip-rate", "30"], {"per_ip_rate": 30}),
        (["--per-ip-rate", "0"], {"per_ip_rate": 0}),
        (
            ["--sign-up-rate", "80", "--sign-up-burst", "400"],
            {"throttle": Throttle(sign_up_rate=80, sign_up_burst=400)},
        ),
        (["--alarms-to", ""], {"alarms_to": ""}),
        (["--log-days", "365"], {"log_days": 365}),
    ],
)
def test_deploy_prints_the_address_and_what_is_left_to_do(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], options: dict[str, Any]
) -> None:
    given: list[Options] = []

    def deploy(_: object, __: object, options: Options, ___: object) -> Deployed:
        given.append(options)
        return Deployed("https://hello.example.org", "users", "eu-west-3", ["Leave the sandbox."])

    monkeypatch.setattr(deploy_command.deployment, "deploy", deploy)
    session: Any = SimpleNamespace()
    cloud = Cloud(session, "123456789012", "eu-west-3", str)
    monkeypatch.setattr(lookup, "account", lambda: cloud)
    done = run("deploy", "--stage", "prod", "--mail-from", "hello@example.org", *arguments)
    assert done.exit_code == 0
    assert "✓ Account: 123456789012, eu-west-3" in done.stdout
    assert "prod is deployed: https://hello.example.org/\n" in done.stdout
    assert done.stdout.endswith("\n\n./bienvenue doctor --stage prod\n")
    assert "For you to do: Leave the sandbox.\n" in done.stdout
    assert given == [Options(mail_from="hello@example.org", **options)]


def test_a_rehearsals_hints_reach_the_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = SimpleNamespace()
    cloud = Cloud(session, "0", "eu-west-3", str, endpoint="http://127.0.0.1:8400")
    deployed = Deployed("http://127.0.0.1:8400/api", "users", "eu-west-3")
    monkeypatch.setattr(deploy_command.deployment, "deploy", lambda *_: deployed)
    monkeypatch.setattr(lookup, "account", lambda: cloud)
    done = run("deploy", "--stage", "demo", "--mail-from", "hello@example.org")
    hint = "AWS_ENDPOINT_URL=http://127.0.0.1:8400 ./bienvenue doctor --stage demo"
    assert done.stdout.splitlines()[-1] == hint
