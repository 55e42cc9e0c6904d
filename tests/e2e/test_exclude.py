"""What a tree leaves out: as git does, and what is left out stays on hosts. Files that can't be brought as they are."""
import os
import random
import shutil
import subprocess

import pytest

from conftest import write

git = pytest.mark.skipif(not shutil.which("git"), reason="no git")
TREE = """\
inventory: [{{spec: popen, chdir: {dest}}}]
tree: {{source: src, {tree}}}
jobs: {{a: {{run: "true"}}}}
"""


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names if name != ".farflung")


def sync(farflung, tree, code=0, dest="dst"):
    write(farflung.cwd / "t.yaml", TREE.format(tree=tree, dest=dest))
    return farflung.run("run", "t.yaml", code=code)


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def brought(farflung, dest="dst"):
    return [name for name in files_below(farflung.cwd / dest) if not name.startswith(".farflung")]


class Patterns:
    """Patterns and trees of few names, so that much of both meets."""
    NAMES = ["a", "b", "ab", "a.o", "b.o", "build", "#a", "!b", "x y", "[a]", "-", "ä"]
    PARTS = ["a", "b", "*", "*.o", "?", "a*", "[ab]", "[!a]*", "**", "build", "b?ild", "\\#a", "\\!b", "x y", "\\[a\\]",
             "[a-]", "[]a]", "*a*", "?*", "[[:alpha:]]", "ä", "a\\b"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pattern(self):
        draw = self.random
        parts = [draw.choice(self.PARTS) for _ in range(draw.choice([1, 1, 1, 2, 2, 3]))]
        return (draw.choice(["", "", "!"]) + draw.choice(["", "", "/"]) + "/".join(parts)
                + draw.choice(["", "", "", "/"]) + draw.choice(["", "", "", "  "]))

    def patterns(self, most):
        lines = [self.pattern() for _ in range(self.random.randint(1, most))]
        if self.random.random() < 0.3:
            lines.insert(self.random.randrange(len(lines)), self.random.choice(["# a", "", "*", "!a/"]))
        return self.random.choice(["\n", "\n", "\r\n"]).join(lines) + self.random.choice(["", "\n"])

    def folder(self, path, depth):
        path.mkdir()
        for name in self.random.sample(self.NAMES, 7):
            if depth and self.random.random() < 0.4:
                self.folder(path / name, depth - 1)
            else:
                (path / name).write_text("x")
        if depth == 3 or self.random.random() < 0.15:
            (path / ".gitignore").write_text(self.patterns(8))


@git
@pytest.mark.parametrize("seed", range(40))
def test_as_git_does(farflung, seed):
    source = farflung.cwd / "src"
    Patterns(seed).folder(source, 3)
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null", GIT_DIR=str(farflung.cwd / "git"),
               GIT_WORK_TREE=str(source))
    subprocess.run(["git", "init", "-q"], cwd=source, env=env, check=True)
    listed = subprocess.run(["git", "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore"], cwd=source, env=env,
                            check=True, stdout=subprocess.PIPE).stdout.decode()
    every = files_below(source)
    ignored = subprocess.run(["git", "check-ignore", "--no-index", "-z", "--stdin"], cwd=source, env=env,
                             input="\0".join(every).encode(), stdout=subprocess.PIPE).stdout.decode()
    expected = sorted(listed.split("\0")[:-1])
    assert expected == sorted(set(every) - set(ignored.split("\0")))
    sync(farflung, "exclude: [nothing-of-this-name], exclude_from: .gitignore")
    assert brought(farflung) == expected


def test_patterns_in_the_file(farflung):
    make(farflung.cwd / "src", "node_modules/f", "a/node_modules/f", "a/b/node_modules/f", "a/x.log", "a/keep.log",
         "build/o", "a/build/o", "#a#", "c/.git/x")
    sync(farflung, 'exclude: ["**/node_modules", "*.log", "!keep.log", /build, "#*#"]')
    assert brought(farflung) == ["a/build/o", "a/keep.log", "c/.git/x"]


def test_exceptions_alone_are_from_the_defaults(farflung):
    make(farflung.cwd / "src", "a.pyc", "keep.pyc", ".git/x", "b")
    sync(farflung, 'exclude: ["!keep.pyc"]')
    assert brought(farflung) == ["b", "keep.pyc"]


def test_files_of_patterns_and_what_goes_before_what(farflung):
    """exclude, then the files in the tree, the deepest first, then files for all of it, then the defaults."""
    make(farflung.cwd / "src", "a.o", "b.o", "in/a.o", "in/b.o", "in/c.tmp", "d.tmp", ".git/x", "e.pyc")
    write(farflung.cwd / "ci/ignore", "*.tmp\n!*.pyc\n")
    write(farflung.cwd / "src/.ffignore", "*.o\n")
    write(farflung.cwd / "src/in/.ffignore", "!a.o\n!c.tmp\n.ffignore\n")
    sync(farflung, "exclude_from: [.ffignore, ci/ignore]")
    assert brought(farflung) == [".ffignore", "e.pyc", "in/a.o", "in/c.tmp"]
    sync(farflung, "exclude_from: [.ffignore, ci/ignore], exclude: [in/a.o, '!b.o', .git]", dest="other")
    assert brought(farflung, "other") == [".ffignore", "b.o", "e.pyc", "in/b.o", "in/c.tmp"]


def test_what_is_left_out_is_not_deleted(farflung):
    """Neither what a pattern leaves out since, nor what is in a folder that is gone here."""
    make(farflung.cwd / "src", "a.log", "sub/b.log", "gone/c.log", "gone/c", "kept/d", "keep.log")
    sync(farflung, "exclude: [nothing], delete: true")
    shutil.rmtree(farflung.cwd / "src/gone")
    (farflung.cwd / "src/sub/b.log").unlink()
    (farflung.cwd / "src/keep.log").unlink()
    write(farflung.cwd / "src/.gitignore", "*.log\n!keep.log\nkept/\n")
    sync(farflung, "exclude_from: .gitignore, delete: true")
    assert brought(farflung) == [".gitignore", "a.log", "gone/c.log", "kept/d", "sub/b.log"]


def test_a_file_of_patterns_that_is_nowhere(farflung):
    make(farflung.cwd / "src", "a")
    done = sync(farflung, "exclude_from: .gitignroe")
    assert "tree: .gitignroe: no such file of patterns anywhere in the tree" in done.stdout + done.stderr
    done = sync(farflung, "exclude_from: ci/ignore", code=2)
    assert "t.yaml:2:35: 'exclude_from': ci/ignore: No such file or directory" in done.stderr
    done = sync(farflung, "exclude_from: .gitignroe, strict: true", code=3)
    assert "tree sync: .gitignroe: no such file of patterns anywhere in the tree (strict)" in done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(farflung):
    make(farflung.cwd / "src", "a", "secret")
    unreadable(farflung, lambda: (farflung.cwd / "src/secret").chmod(0))


def test_unreadable_by_its_nature(farflung):
    """A file of patterns that is a link is not followed, as git does: that, too, is told, and an error with strict."""
    make(farflung.cwd / "src", "a")
    os.symlink("/dev/null", farflung.cwd / "src/.gitignore")
    done = sync(farflung, "exclude_from: .gitignore")
    assert "tree: .gitignore: Too many levels of symbolic links" in done.stdout + done.stderr
    done = sync(farflung, "exclude_from: .gitignore, strict: true", code=3)
    assert ".gitignore: Too many levels of symbolic links (strict)" in done.stdout + done.stderr


def unreadable(farflung, spoil):
    sync(farflung, "exclude: [nothing]")
    write(farflung.cwd / "src/secret", "new")
    spoil()
    done = sync(farflung, "exclude: [nothing]")
    assert "tree: secret: Permission denied (an older copy stays there)" in done.stdout + done.stderr
    done = sync(farflung, "exclude: [nothing], strict: true", code=3)
    assert "secret: Permission denied (an older copy stays there) (strict)" in done.stdout + done.stderr


def test_strict_minds_no_sockets(farflung):
    make(farflung.cwd / "src", "a")
    os.mkfifo(farflung.cwd / "src/fifo")
    done = sync(farflung, "exclude: [nothing], strict: true")
    assert "tree: fifo: neither a file nor a directory nor a link" in done.stdout + done.stderr
    assert brought(farflung) == ["a"]
