"""A first file: what it is made of, that it is right as it stands, and that nothing is overwritten."""
import os
import shutil

import pytest

from conftest import write

FOUND = {
    "nothing": ({}, "a first try", ["hello[name=one]", "hello[name=two]"]),
    "tests": ({"tests/sub/test_a.py": "def test_a(): pass\n"}, "pytest", None),
    "tests here": ({"a_test.py": "def test_a(): pass\n"}, "pytest", None),
    "pytest.ini": ({"pytest.ini": "[pytest]\n", "test_x.py": "def test_a(): pass\n"}, "pytest", None),
    "make": ({"Makefile": "all:\n\techo all\n"}, "make", ["make"]),
    "make check": ({"Makefile": "check:\n\techo checked\nall:\n\tfalse\n"}, "make", ["make"]),
    "make test": ({"GNUmakefile": "test:\n\ttrue\ncheck:\n\tfalse\n"}, "make", ["make"]),
}
KNOWN = {
    "CMake": ({"CMakeLists.txt": "project(x)\nenable_testing()\n"}, "CMake", "ctest --test-dir build"),
    "CMake without tests": ({"CMakeLists.txt": "project(x)\n"}, "CMake", "cmake --build build"),
    "CMake's Makefile": ({"CMakeLists.txt": "project(x)\n", "Makefile": "# CMAKE generated file: DO NOT EDIT!\n"},
                         "CMake;", "cmake"),
    "Cargo": ({"Cargo.toml": ""}, "Cargo", "cargo test"),
    "Go": ({"go.mod": ""}, "Go", "go test ./..."),
    "npm": ({"package.json": '{"scripts": {"test": "x"}}'}, "npm", "npm ci && npm test"),
    "Meson": ({"meson.build": ""}, "Meson", "meson test"),
    "several": ({"go.mod": "", "pyproject.toml": "[tool.pytest.ini_options]\n"}, "pytest, Go", "pytest: [.]"),
}


def lay(farflung, files):
    for name, text in files.items():
        write(farflung.cwd / name, text)


@pytest.mark.parametrize("name", FOUND)
def test_runs_as_it_stands(farflung, name):
    files, words, units = FOUND[name]
    if "make" in name and not shutil.which("make"):
        pytest.skip("there is no make")
    lay(farflung, files)
    assert f"written for {words};" in farflung.run("init", code=0).stdout
    farflung.run("check", code=0)
    done = farflung.run("run", "-v", code=0)
    for unit in units or ["test_a"]:
        assert unit in done.stdout


@pytest.mark.parametrize("name", KNOWN)
def test_known(farflung, name):
    files, words, command = KNOWN[name]
    lay(farflung, files)
    assert words in farflung.run("init", code=0).stdout
    text = (farflung.cwd / "farflung.yaml").read_text()
    assert command in text
    assert max(map(len, text.splitlines())) <= 110
    farflung.run("check", code=0)


def test_what_is_commented_is_right(farflung):
    farflung.run("init", code=0)
    path = farflung.cwd / "farflung.yaml"
    lines = path.read_text().splitlines()
    for key in ("vars:", "report:", "profiles:", "  ci:"):
        lines = [line[2:] if line.startswith("# " + key) else line for line in lines]
    path.write_text("\n".join(lines) + "\n")
    farflung.run("check", "-e", "mode=slow", "--profile", "ci", code=0)


def test_never_overwrites(farflung, tmp_path):
    path = write(farflung.cwd / "farflung.yaml", "mine\n")
    done = farflung.run("init", code=2)
    assert "'farflung.yaml' is there already; nothing was written" in done.stderr
    assert path.read_text() == "mine\n"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    farflung.run("init", code=2)
    assert not (tmp_path / "elsewhere").exists()


def test_elsewhere(farflung):
    write(farflung.cwd / "sub" / "test_a.py", "def test_a(): pass\n")
    done = farflung.run("init", "sub/my.yaml", code=0)
    assert "farflung run sub/my.yaml" in done.stdout
    farflung.run("run", "sub/my.yaml", code=0)
    assert "nowhere/x.yaml: No such file or directory" in farflung.run("init", "nowhere/x.yaml", code=2).stderr
    printed = farflung.run("init", "-", code=0).stdout
    assert "hello" in printed and sorted(os.listdir(farflung.cwd)) == ["sub"]
