"""Completions, in the shells that are here: bash always, zsh and fish where they are installed."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import write

YAML = """version: 1
inventory: [popen]
jobs:
  # the first
  build:
    run: 'true'
  test-all:
    run: ["true"]
    needs: build
report: {junit: x.xml}
"""


@pytest.fixture
def bash(farflung):
    script = write(farflung.cwd.parent / "farflung.bash", farflung.run("completion", "bash", code=0).stdout)

    def complete(*words):
        """What is offered for the last word."""
        text = f'source {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _farflung; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "--norc", "-c", text, "bash", "farflung", *words], cwd=farflung.cwd,
                              env=farflung.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == ""
        return done.stdout.split()

    return complete


def commands_of(farflung):
    text = farflung.run("help", code=0).stdout
    return re.findall(r"^  ([a-z-]+) +\S", text.split("commands:")[1].split("\n\n")[0], re.M)


def test_commands(farflung, bash):
    assert set(commands_of(farflung)) | {"help", "--help", "--version"} == set(bash(""))
    assert bash("comp") == ["completion"] and bash("--v") == ["--version"]


def test_every_option_of_help_is_offered(farflung, bash):
    for command in commands_of(farflung):
        text = farflung.run(command, "--help", code=0).stdout.split("options:\n")[1].split("\n\n")[0]
        shown = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.M)) | set(re.findall(r"^ +(-\w)\b", text, re.M))
        assert shown and set(bash(command, "-")) == shown, command


def test_values(farflung, bash):
    farflung.yaml(YAML)
    (farflung.cwd / "folder").mkdir()
    (farflung.cwd / "folded").touch()
    assert bash("run", "--color", "") == ["auto", "always", "never"]
    assert bash("run", "--color", "=") == ["auto", "always", "never"]
    assert bash("run", "--color", "=", "ne") == ["never"]
    assert bash("run", "--ci", "git") == ["github", "gitlab"]
    assert bash("run", "-j", "") == ["build", "test-all"]
    assert bash("run", "-v", "--job", "te") == ["test-all"]
    assert bash("run", "--collect", "fol") == ["folder"]
    assert bash("run", "--maxfail", "") == bash("run", "--junit", "") == bash("run", "") == []
    assert bash("ci", "") == ["github", "gitlab"]
    assert bash("completion", "") == ["bash", "zsh", "fish"]
    assert bash("exec", "--", "ls", "-") == [], "what follows -- is another program's"


def test_runs(farflung, bash):
    farflung.yaml(YAML)
    assert bash("show", "") == ["last"]
    farflung.run("run", code=0)
    ids = [name for name in os.listdir(farflung.cwd / ".farflung" / "runs") if name != "last"]
    assert bash("show", "") == ids + ["last"]
    assert bash("run", "--resume", ids[0][:-1]) == ids
    assert bash("show", "--output", ids[0][:4]) == ids


def test_bash_loads_it(farflung):
    script = write(farflung.cwd / "c", farflung.run("completion", "bash", code=0).stdout)
    done = subprocess.run(["bash", "--norc", "-c", f"source {script}; complete -p farflung"], capture_output=True,
                          text=True, timeout=60)
    assert done.stdout.strip().endswith("-F _farflung farflung")


def test_fish(farflung):
    fish = shutil.which("fish")
    if not fish:
        pytest.skip("there is no fish")
    farflung.yaml(YAML)
    (farflung.cwd / "farflung").symlink_to(farflung.program)
    script = write(farflung.cwd / "c.fish", farflung.run("completion", "fish", code=0).stdout)

    def complete(line):
        env = dict(farflung.env, HOME=str(farflung.cwd), PATH=f"{farflung.cwd}:{os.environ['PATH']}")
        done = subprocess.run([fish, "--no-config", "-c", f"source {script}; complete -C '{line}'"], cwd=farflung.cwd,
                              env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == ""
        return [entry.split("\t")[0] for entry in done.stdout.splitlines()]

    assert set(commands_of(farflung)) <= set(complete("farflung "))
    assert sorted(complete("farflung run --color ")) == ["always", "auto", "never"]
    assert sorted(complete("farflung run -j ")) == ["build", "test-all"]
    assert complete("farflung show ") == ["last"]
    assert "--strict-collection" in complete("farflung run --str")
    assert sorted(complete("farflung ci ")) == ["github", "gitlab"]


# Each entry of _arguments is told as zsh reads it.
ZSH = """
compdef() { :; }
_describe() { print -rl -- $commands }
_arguments() { print -rl -- "$@" }
compadd() { print -rl -- ${(P)2} }
words=(farflung %s '') CURRENT=%d
source %s
_farflung
"""


def test_zsh(farflung):
    zsh = shutil.which("zsh")
    if not zsh:
        pytest.skip("there is no zsh")
    farflung.yaml(YAML)
    script = write(farflung.cwd / "_farflung", farflung.run("completion", "zsh", code=0).stdout)

    def zsh_says(text):
        done = subprocess.run([zsh, "-f", "-c", text], cwd=farflung.cwd, env=farflung.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == ""
        return done.stdout.splitlines()

    assert [line.split(":")[0] for line in zsh_says(ZSH % ("", 2, script))] == commands_of(farflung)
    for command in commands_of(farflung):
        entries = zsh_says(ZSH % (command, 3, script))[2:]
        assert "*--help[show this and exit]" in entries, command
        for entry in entries:
            assert re.fullmatch(r"\*(--?[\w-]+[+=]?\[(\\.|[^]\\])*\](:(\\.|[^:\\])*:.+)?|:word:.+)", entry), entry
    assert "*--color=[auto, always or never]:WHEN:(auto always never)" in zsh_says(ZSH % ("run", 3, script))
    assert zsh_says((ZSH % ("run", 3, script)) + "\n_farflung_jobs")[-2:] == ["build", "test-all"]


def test_no_shell(farflung):
    for words in [], ["tcsh"], ["bash", "zsh"]:
        done = farflung.run("completion", *words, code=2)
        assert "completion: wants bash, zsh or fish, got " in done.stderr and done.stdout == ""
    assert "usage: farflung completion" in farflung.run("completion", "--help", code=0).stdout
