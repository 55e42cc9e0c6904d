"""Bad input: the exact message, exit 2, nothing started; hosts that can't be had: exit 3."""
import json
import os
import re
import socket
import subprocess

import pytest

from bad_input_cases import CASES
from conftest import of_kind, outcomes, write


def check_lines(got, expected):
    assert len(got) == len(expected), "\n".join(got)
    for line, pattern in zip(got, expected):
        if pattern.endswith("*"):
            assert line.startswith(pattern[:-1])
        else:
            assert line == pattern


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_file(farflung, case, command):
    if case.text is not None:
        (farflung.cwd / "demo.yaml").write_bytes(case.text.encode("utf-8", "surrogateescape"))
    done = farflung.run(command, "demo.yaml", *case.args, code=case.exit_code)
    lines = done.stderr.splitlines()
    if command == "run":
        assert lines.pop() == "farflung: nothing was started (exit 2)"
    check_lines(lines, case.messages)
    assert done.stdout == ""
    assert not (farflung.cwd / ".farflung").exists()


def test_there_are_enough_of_them():
    assert len(CASES) + len(UNREACHABLE) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


def test_unreadable_file(farflung):
    path = farflung.yaml("inventory: [popen]\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    done = farflung.run("run", code=2)
    assert done.stderr.splitlines()[0] == "farflung.yaml: Permission denied"


def test_file_is_a_folder(farflung):
    (farflung.cwd / "farflung.yaml").mkdir()
    done = farflung.run("run", code=2)
    assert done.stderr.splitlines()[0] == "farflung.yaml: Is a directory"


@pytest.mark.parametrize(
    "args, words",
    [
        (["--job", "nonesuch"], "farflung.yaml: no job is called 'nonesuch'"),
        (["--job", "unti"], "farflung.yaml: no job is called 'unti'; did you mean 'unit'?"),
        (["--on", "windows"], "no host matches 'windows'"),
        (["--on", "poopen"], "no host matches 'poopen'; did you mean 'popen'?"),
        (["--on", "n[3-1]"], "range '3-1' in 'n[3-1]' runs backwards; brackets are ranges as in 'hosts': n[1-12], n[a,b]"),
        (["--require-hosts", "2"], "farflung.yaml: 'require_hosts' wants 2, but the inventory has 1 host"),
        (["--junit", "-"], "farflung.yaml: 'junit' can't be written to stdout, it wants a file"),
        (["--on", "a,!"], "bad host pattern 'a,!'"),
        (["--junit", "/proc/no/junit.xml"], "farflung: cannot write '/proc/no/junit.xml': No such file or directory"),
        (["--jsonl", "."], "farflung: cannot write '.': it is a directory"),
    ],
)
def test_command_line(farflung, args, words):
    farflung.yaml("inventory: [popen]\njobs: {unit: {run: touch ran}}\n")
    done = farflung.run("run", *args, code=2)
    lines = done.stderr.splitlines()
    assert lines == [words, "farflung: nothing was started (exit 2)"]
    assert not (farflung.cwd / "ran").exists() and not (farflung.cwd / ".farflung").exists()


# --- exit 3 ---


class World:
    """What a row of UNREACHABLE may speak of."""

    def __init__(self, farflung, fresh_sshd, tmp_path):
        self.farflung = farflung
        self.fresh_sshd = fresh_sshd
        self.tmp = tmp_path
        self.dir = str(tmp_path / "there")

    @property
    def closed_port(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            return sock.getsockname()[1]

    def script(self, text):
        path = write(self.tmp / "program", text)
        path.chmod(0o755)
        return str(path)


def fingerprint(path):
    return subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True).stdout.split()[1]


def refused_connection(w):
    port = w.closed_port
    words = f"-F none -p {port} 127.0.0.1"
    return f"ssh={words}", "{spec}: connect to 127.0.0.1:%d: Connection refused" % port


def refused_connection_of_the_program(w):
    port = w.closed_port
    words = f"-F none -p {port} -o ProxyJump=127.0.0.1:{port} 127.0.0.1"
    return f"ssh={words}", "{spec}: *"


def unknown_name(w):
    return "ssh=-F none nonesuch.invalid", "{spec}: cannot resolve host 'nonesuch.invalid': *"


def unknown_host_key(w):
    sshd = w.fresh_sshd()
    sshd.write("known_hosts", "")
    sshd.write_ssh_config("StrictHostKeyChecking yes")
    return f"ssh={sshd.words}", (
        f"{{spec}}: host key of 127.0.0.1:{sshd.port} is unknown (ssh-ed25519 {fingerprint(sshd.path('host_key.pub'))}; "
        f"looked in {sshd.known_hosts}, /dev/null): refused by StrictHostKeyChecking=true; accept it with "
        "`ssh target` once, or set StrictHostKeyChecking=accept-new")


def changed_host_key(w):
    sshd = w.fresh_sshd()
    old = fingerprint(sshd.path("host_key.pub"))
    sshd.restart(new_host_key=True)
    new = fingerprint(sshd.path("host_key.pub"))
    return f"ssh={sshd.words}", (
        f"{{spec}}: host key of 127.0.0.1:{sshd.port} has CHANGED (known: ssh-ed25519 {old}, in {sshd.known_hosts}:1; "
        f"offered: ssh-ed25519 {new}): refused")


def changed_host_key_with_checking_off(w):
    """Even then: who switched checking off does not expect another machine under a known name."""
    sshd = w.fresh_sshd()
    sshd.write_ssh_config("StrictHostKeyChecking accept-new")
    old = fingerprint(sshd.path("host_key.pub"))
    sshd.restart(new_host_key=True)
    new = fingerprint(sshd.path("host_key.pub"))
    return f"ssh={sshd.words}", (
        f"{{spec}}: host key of 127.0.0.1:{sshd.port} has CHANGED (known: ssh-ed25519 {old}, in {sshd.known_hosts}:1; "
        f"offered: ssh-ed25519 {new}): refused")


def refused_key(w):
    sshd = w.fresh_sshd()
    sshd.write("authorized_keys", "")
    return f"ssh={sshd.words}", (
        f"{{spec}}: {sshd.user}@127.0.0.1:{sshd.port} refused all keys tried: {sshd.user_key} (publickey); "
        "server allows publickey")


def no_key(w):
    sshd = w.fresh_sshd()
    sshd.write_ssh_config(f"IdentityFile {sshd.folder}/absent")
    os.unlink(sshd.user_key)
    return f"ssh={sshd.words}", (
        f"{{spec}}: {sshd.user}@127.0.0.1:{sshd.port} lets nobody in without a key we have*")


def bad_ssh_option(w):
    return "ssh=-F none -o NoSuchOption=1 127.0.0.1", "{spec}: ssh does not accept the options: *"


def absent_ssh_config(w):
    return f"ssh=-F {w.tmp}/absent somewhere", "{spec}: ssh does not accept the options: *"


def absent_interpreter(w):
    return "popen//worker=python//python=/no/such/python", (
        "{spec}: cannot run '/no/such/python': No such file or directory")


def absent_interpreter_over_ssh(w):
    sshd = w.fresh_sshd()
    return f"ssh={sshd.words}//worker=python//python=/no/such/python", (
        "{spec}: '/no/such/python -u -c …' ended before it answered: exit status 127; stderr: *")


def interpreter_that_fails(w):
    program = w.script("#!/bin/sh\necho 'no licence' >&2\nexit 5\n")
    return f"popen//worker=python//python={program}", (
        f"{{spec}}: '{program} -u -c …' ended before it answered: exit status 5; stderr: no licence")


def interpreter_that_is_killed(w):
    program = w.script("#!/bin/sh\nkill -9 $$\n")
    return f"popen//worker=python//python={program}", (
        f"{{spec}}: '{program} -u -c …' ended before it answered: killed by signal 9 (SIGKILL)")


def interpreter_that_says_nothing(w):
    program = w.script("#!/bin/sh\nexec sleep 1000\n")
    return f"popen//worker=python//python={program}", f"{{spec}}: '{program} -u -c …' did not answer within 0.5 s"


def folder_that_cannot_be_made(w):
    return "popen//chdir=/proc/nonesuch", "{spec}: cannot be configured: *"


def nobody_at_the_socket(w):
    port = w.closed_port
    return f"socket=127.0.0.1:{port}", "{spec}: cannot connect to 127.0.0.1:%d: Connection refused" % port


def program_that_is_not_installed(w):
    w.farflung.env["PATH"] = "/nonexistent"
    return "kubectl=pod", "{spec}: cannot run 'kubectl': No such file or directory"


UNREACHABLE = [
    refused_connection, refused_connection_of_the_program, unknown_name, unknown_host_key, changed_host_key,
    changed_host_key_with_checking_off, refused_key, no_key, bad_ssh_option, absent_ssh_config, absent_interpreter,
    absent_interpreter_over_ssh, interpreter_that_fails, interpreter_that_is_killed, interpreter_that_says_nothing,
    folder_that_cannot_be_made, nobody_at_the_socket, program_that_is_not_installed,
]


@pytest.mark.parametrize("row", UNREACHABLE, ids=lambda row: row.__name__)
def test_host(farflung, fresh_sshd, tmp_path, row):
    spec, expected = row(World(farflung, fresh_sshd, tmp_path))
    farflung.yaml(json.dumps({
        "inventory": [{"spec": spec, "name": "box"}],
        "settings": {"connect_timeout": "500ms" if "nothing" in row.__name__ else "30s"},
        "jobs": {"unit": {"run": "true"}},
    }))
    live = farflung.follow("run")
    events = live.finish(3)
    (failed,) = of_kind(events, "host-failed", host="box")
    expected = expected.replace("{spec}", spec)
    got = failed["error"].replace("\n", " / ")
    check_lines([got], [expected])
    # The unit that could not run is told too, and the last line says why.
    assert outcomes(events) == {"unit": "lost"}
    last = live.stderr.splitlines()[-1]
    assert last.startswith("farflung: 1 lost; ") and last.endswith("(exit 3)")
    assert of_kind(events, "unit-started") == []

    done = farflung.run("hosts", code=3)
    assert done.stdout.startswith("box ")


PYTEST_ROWS = {
    "interpreter without pytest": ("-S -I", "cannot import pytest: No module named 'pytest'"),
}


@pytest.mark.parametrize("worker", ["native", "python"])
def test_pytest_is_not_importable(farflung, python, worker):
    farflung.yaml(json.dumps({
        "inventory": [{"spec": "popen", "name": "box", "worker": worker, "python": f"{python} -S -I"}],
        "jobs": {"unit": {"pytest": ["."]}},
    }))
    live = farflung.follow("run")
    events = live.finish(3)
    last = live.stderr.splitlines()[-1]
    assert last.startswith("farflung: nothing ran; no worker is left for it: host box: ")
    assert re.search(r": python=\S+ -S -I: Python 3[.0-9]+ has no pytest \(exit 3\)$", last), last
    assert outcomes(events) == {}


def test_no_python_has_pytest(farflung, tmp_path):
    """None is named, and none on PATH has it: what was tried is told."""
    write(tmp_path / "bin" / "python3", "#!/bin/sh\nexit 1\n").chmod(0o755)
    farflung.yaml("inventory: [{spec: popen, name: box}]\njobs: {unit: {pytest: [.]}}\n")
    live = farflung.follow("run", env=dict(farflung.env, PATH=str(tmp_path / "bin")))
    live.process.wait(60)
    events = live.finish()
    if live.process.returncode != 3:
        pytest.skip("/usr/bin/python3 has pytest, and is looked at last")
    assert "no Python with pytest: " in live.stderr and str(tmp_path / "bin" / "python3") in live.stderr
    assert outcomes(events) == {}


@pytest.mark.parametrize("python_words", ["/no/such/python", "false"])
def test_interpreter_of_sessions(farflung, python_words):
    """The native worker is there, the interpreter for the tests is not."""
    farflung.yaml(json.dumps({
        "inventory": [{"spec": "popen", "name": "box", "python": python_words}],
        "jobs": {"unit": {"pytest": ["."]}, "shell": {"run": "echo fine"}},
    }))
    live = farflung.follow("run")
    events = live.finish(3)
    assert outcomes(events) == {"shell": "passed"}
    last = live.stderr.splitlines()[-1]
    assert "no worker is left for it: host box: " in last and python_words in last


def test_one_of_two_is_enough(farflung):
    farflung.yaml(
        "inventory:\n  - {spec: popen, name: good}\n  - {spec: popen, name: bad, worker: python, python: /no/such}\n"
        "jobs: {unit: {run: 'true', count: 3}, only: {run: 'true', on: bad}}\n")
    live = farflung.follow("run", "--job", "unit")
    events = live.finish(0)
    assert list(outcomes(events).values()) == ["passed"] * 3

    live = farflung.follow("run")
    events = live.finish(3)
    assert outcomes(events)["only"] == "lost"
    assert sorted(outcomes(events).values()) == ["lost"] + ["passed"] * 3


def test_tree_that_cannot_be_written_there(farflung):
    write(farflung.cwd / "tree" / "a", "a")
    farflung.yaml(
        "inventory: [{spec: popen, name: box}]\ntree: {source: tree, dest: /proc/nonesuch}\njobs: {unit: {run: 'true'}}\n")
    live = farflung.follow("run")
    events = live.finish(3)
    (failed,) = of_kind(events, "host-failed", host="box")
    assert failed["error"].startswith("tree sync: ") and "/proc/nonesuch" in failed["error"]
