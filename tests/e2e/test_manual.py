"""Manual pages: they have what the tables have, and man can show them."""
import re
import shutil
import subprocess

import pytest

from conftest import TOP

PAGES = ["farflung.1", "farflung.yaml.5", "farflung-xspec.7"]


def shown(text):
    groff = shutil.which("groff")
    if not groff:
        pytest.skip("there is no groff")
    # -ww: every warning of groff's.
    done = subprocess.run([groff, "-mdoc", "-Tascii", "-ww", "-P-cbou", "-rLL=200n"], input=text, capture_output=True,
                          text=True, timeout=60)
    if "mdoc" in done.stderr and "can't find" in done.stderr:
        pytest.skip("groff has no mdoc")
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_it_can_be_shown(farflung, page):
    text = farflung.run("manual", page, code=0).stdout
    text = text.replace("·", "-").replace("…", "...").replace("─", "-")
    assert "NAME" in shown(text)


def test_commands_and_options(farflung):
    text = farflung.run("manual", "farflung.1", code=0).stdout
    page = shown(text.replace("…", "..."))
    for command in re.findall(r"^  ([a-z-]+) +\S", farflung.run("help", code=0).stdout.split("\n\n")[2], re.M):
        help_text = farflung.run(command, "--help", code=0).stdout
        assert f"farflung {command} " in page
        for option in re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", help_text, re.M):
            assert option in page, (command, option)


def test_keys_of_the_file(farflung):
    page = shown(farflung.run("manual", "farflung.yaml.5", code=0).stdout)
    for line in farflung.run("run", "--help-config", code=0).stdout.splitlines():
        assert line.rstrip() in page


def test_every_key_of_xspecs_is_explained(farflung):
    text = farflung.run("manual", "farflung-xspec.7", code=0).stdout
    keys = re.findall(r'^\tX\("(\w+)"', (TOP / "core" / "wire" / "xspec.h").read_text(), re.M)
    assert len(keys) > 15
    for key in keys:
        assert re.search(rf'^\.It "{key}"\n\w.*\.$', text, re.M), key


def test_no_page(farflung):
    done = farflung.run("manual", "farflung.8", code=2)
    assert "manual: wants farflung.1, farflung.yaml.5 or farflung-xspec.7, got 'farflung.8'" in done.stderr
