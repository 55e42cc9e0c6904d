"""farflung map: a command for each line. Where GNU parallel is installed the same is asked of it."""
import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess

import pytest

from conftest import of_kind, read_journal, read_jsonl, wait_until, write

PARALLEL = shutil.which("parallel")
TOUGH = ["a b", "it's", '"', "$HOME", "`id`", "a;b", "*", "\\", "", "#x", "~", "-n", "é", "a\tb", "!x", "{}", "(", "&"]


def run_map(farflung, *args, lines=None, text=None, code=0, **options):
    """Runs it on these lines."""
    if lines is not None:
        text = "".join(line + "\n" for line in lines)
    path = farflung.cwd.parent / "stdin"
    path.write_bytes((text or "").encode() if not isinstance(text, bytes) else text)
    with open(path, "rb") as stdin:
        return farflung.run("map", *args, code=code, stdin=stdin, **options)


def raw(farflung, *args, data, code=0):
    """Its stdout, in bytes, with these on a pipe as its stdin."""
    done = subprocess.run([farflung.program, "map", *args], input=data, cwd=farflung.cwd, env=farflung.env,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


def gnu(farflung, *args, lines=None, text=None):
    """What GNU parallel makes of the same; a skip where it is not installed."""
    if not PARALLEL:
        pytest.skip("no GNU parallel here")
    home = farflung.cwd.parent / "gnu-home"
    (home / ".parallel").mkdir(parents=True, exist_ok=True)
    (home / ".parallel" / "will-cite").touch()
    if lines is not None:
        text = "".join(line + "\n" for line in lines)
    return subprocess.run(
        [PARALLEL, *args], input=(text or "").encode(), capture_output=True, cwd=farflung.cwd, timeout=120,
        env=dict(farflung.env, HOME=str(home), SHELL="/bin/sh"), check=False)


def joblog(path):
    """Its lines as dicts; the last column may hold tabs."""
    names, *rows = [line.split("\t", 8) for line in path.read_text().splitlines()]
    assert names == "Seq Host Starttime JobRuntime Send Receive Exitval Signal Command".split()
    return [dict(zip(names, row)) for row in rows]


# --- placeholders and items ---

@pytest.mark.parametrize(
    "args",
    [
        ["echo", "{} {.} {/} {//} {/.} {#}", ":::", "a/b.c.d", "/x/y.z", "plain", ".hid", "a/", "a.b/c", "sp ace", "/"],
        ["echo", "{1} {2}", ":::", "a", "b", ":::", "1", "2"],
        ["echo", ":::", "a", "b", ":::", "1", "2"],
        ["echo", "{2}:{1}:{3}", ":::", "a", "b", ":::", "1", "2"],
        ["echo", "{-1} {1.} {2/} {2//} {2/.}", ":::", "x/a.c", ":::", "y/b.c"],
        ["echo", "{1} {2}", ":::", "a", "b", "c", ":::+", "1", "2"],
        ["echo", "{#}", ":::", "a", "b"],
        ["echo", "x{}y{}", ":::", "a", "b c"],
        ["-C", ",", "echo", "{2} {1} {3}", ":::", "a,b c", "d", ",,e"],
        ["--colsep", "\\t", "echo", "{2}-{1}", ":::", "a\tb", "c d"],
        ["--colsep", " +", "echo", "{2}-{1}", ":::", "a    b"],
        ["--tag", "printf", "'%s\\nx\\n'", ":::", "a b", "c"],
        ["printf", "'[%s]'", ":::", *TOUGH],
        ["--dry-run", "echo", "{} > {.}", ":::", "a b", "c.d"],
        ["-N0", "echo", "as it is", ":::", "a", "b"],
        ["-N0", "echo", "{#}", ":::", "a", "b"],
    ],
    ids=lambda args: " ".join(args)[:40],
)
def test_output_is_as_of_gnu_parallel(farflung, args):
    ours = farflung.run("map", "-k", *args, code=0)
    theirs = gnu(farflung, "-k", *args)
    assert (theirs.returncode, theirs.stdout.decode()) == (0, ours.stdout)


@pytest.mark.parametrize(
    "text", ["a\nb b\n", "a\nb", "\na\n\n", "\n", "", "x\r\n", "it's\n\"q\"\n$HOME *\n", " a  b \n", "é\n"], ids=repr)
@pytest.mark.parametrize("options", [[], ["-r"]], ids=["all", "no-run-if-empty"])
def test_lines_are_as_of_gnu_parallel(farflung, text, options):
    if text == "\n" and options:
        pytest.skip("GNU parallel runs it all the same if it is the only line")
    args = ["-k", *options, "printf", "'<%s>\\n'"]
    assert raw(farflung, *args, data=text.encode()) == gnu(farflung, *args, text=text).stdout


def test_items_with_line_ends(farflung):
    done = run_map(farflung, "-k", "-0", "printf", "'<%s>'", text="a\nb\0c d\0\0e")
    assert done.stdout == "<a\nb><c d><><e>"


def test_values_are_quoted_where_they_stand(farflung):
    """Also within quotes, where GNU parallel's own quotes would become part of the text."""
    done = run_map(farflung, "-k", "--", "printf '%s|%s|%s\\n' {} \"{}\" '{}'", lines=[t for t in TOUGH if t])
    assert done.stdout.splitlines() == [f"{t}|{t}|{t}" for t in TOUGH if t]


def test_a_value_that_cannot_be_quoted_is_refused_before_anything_runs(farflung):
    done = run_map(farflung, "--", "touch ran; echo $(({}+1))", lines=["4", "1;x"], code=255)
    assert "item 2, '1;x'" in done.stderr and not (farflung.cwd / "ran").exists()
    assert run_map(farflung, "-k", "--", "echo $(({}+1))", lines=["4", "5"]).stdout == "5\n6\n"


def test_lines_are_commands_where_there_is_none(farflung):
    done = run_map(farflung, "-k", lines=["echo 'a  b'", "exit 3", "echo x | tr x y"], code=1)
    assert done.stdout == "a  b\ny\n"


def test_files_and_words_as_sources(farflung):
    write(farflung.cwd / "one", "a\nb\n")
    write(farflung.cwd / "two", "1\n2\n")
    done = farflung.run("map", "-k", "-a", "one", "-a", "two", "echo", code=0)
    assert done.stdout == "a 1\na 2\nb 1\nb 2\n"
    assert farflung.run("map", "-k", "echo", "::::", "one", ":::", "x", "y", code=0).stdout == "a x\na y\nb x\nb y\n"
    assert farflung.run("map", "-k", "echo", "::::", "one", "::::+", "two", code=0).stdout == "a 1\nb 2\n"
    assert farflung.run("map", "-a", "-", "echo", code=0).stdout == ""
    done = farflung.run("map", "-a", "none", "echo", code=255)
    assert "none: No such file or directory" in done.stderr


def test_slots_have_numbers_of_their_own(farflung):
    """As long as both run, they differ; and none is above the number of slots."""
    done = run_map(farflung, "-j2", "--", "touch s{#}; while ! [ -e s1 -a -e s2 ]; do sleep 0.01; done; echo {%}",
                   lines=["a", "b"])
    assert sorted(done.stdout.split()) == ["1", "2"]
    done = run_map(farflung, "-j3", "--", "echo {%}", lines=[str(i) for i in range(200)])
    assert set(done.stdout.split()) <= {"1", "2", "3"} and len(done.stdout.split()) == 200


def test_nothing_to_do(farflung):
    assert run_map(farflung, "--joblog", "log", "echo", text="").stdout == ""
    assert joblog(farflung.cwd / "log") == []
    closed = subprocess.run(["sh", "-c", '"$0" map echo x <&-', farflung.program], cwd=farflung.cwd, env=farflung.env,
                            capture_output=True, timeout=60, check=False)
    assert (closed.returncode, closed.stdout) == (0, b"")


def test_very_long_lines(farflung):
    """Longer than an argument may be: that one fails, by its name, the others run."""
    done = run_map(farflung, "-k", "printf %s {} | wc -c", lines=["x" * 100000, "x" * 300000, "y"], code=1)
    assert done.stdout.split() == ["100000", "1"]
    assert "too long" in done.stderr and len(done.stderr) < 1000


def feed(farflung, *args):
    """Starts it with a pipe as its stdin."""
    return farflung.start("map", *args, stdin=subprocess.PIPE)


def test_units_begin_as_their_lines_come(farflung):
    """Each line is written only when the unit of the one before has been heard of."""
    process = feed(farflung, "-j1", "--joblog", "log", "echo", "{#}", "{}")
    for i in range(1, 4):
        process.stdin.write(f"line {i}\nhal")
        process.stdin.flush()
        assert process.stdout.readline() == f"{i} {'hal' * (i > 1)}line {i}\n"
    out, err = process.communicate("f", timeout=60)
    assert (process.returncode, out) == (0, "4 half\n"), err
    assert [r["Seq"] for r in joblog(farflung.cwd / "log")] == ["1", "2", "3", "4"]


def test_a_producer_that_is_faster_has_to_wait(farflung):
    """Not all of it is in memory, and all of it comes to its end."""
    process = feed(farflung, "-j2", "-k", "--halt", "soon,fail=1", "--", "[ {} != 300 ] && echo {}")
    with pytest.raises(BrokenPipeError):
        for i in range(10000000):
            process.stdin.write(f"{i}\n")
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdin = None
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out.split()[:300] == [str(i) for i in range(300)]


def test_resume_of_lines_as_they_come(farflung):
    run_map(farflung, "-j1", "--joblog", "log", "exit {}", lines=["0", "1", "0"], code=1)
    out = raw(farflung, "-j1", "--joblog", "log", "--resume-failed", "echo {#}; : {}", data=b"0\n1\n0\n7\n")
    assert out == b"2\n4\n"
    assert raw(farflung, "--joblog", "log", "--resume-failed", "echo", data=b"0\n1\n0\n7\n") == b""


def test_a_nul_in_a_line_that_comes_later(farflung):
    process = feed(farflung, "-j1", "echo")
    process.stdin.write("a\n")
    process.stdin.flush()
    assert process.stdout.readline() == "a\n"
    out, err = process.communicate("b\n\0c\n", timeout=60)
    assert process.returncode == 255 and "<stdin>:3:1: a NUL byte" in err


def test_interrupted_while_lines_may_come(farflung):
    process = feed(farflung, "-j1", "echo")
    process.stdin.write("a\n")
    process.stdin.flush()
    assert process.stdout.readline() == "a\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    process.communicate()


def test_a_nul_in_a_line(farflung):
    done = run_map(farflung, "touch", "ran", text=b"one\nab\0c\n", code=255)
    assert "<stdin>:2:3: a NUL byte" in done.stderr and not (farflung.cwd / "ran").exists()


@pytest.mark.parametrize("worker", ["native", "python"])
def test_programs_that_only_a_shell_can_run(farflung, worker):
    """A command of plain words is run without a shell; where that makes a difference it is not."""
    write(farflung.cwd / "script", 'echo "script $1"\n').chmod(0o755)
    tx = f"popen//worker={worker}"
    done = run_map(farflung, "-k", "--tx", tx, "./script {}", lines=["a b"])
    assert done.stdout == "script a b\n"
    done = run_map(farflung, "--tx", tx, "--joblog", "log", "no-such-program {}", lines=["a", "b"], code=2)
    assert "no-such-program" in done.stderr and "not found" in done.stderr
    assert [(r["Exitval"], r["Signal"]) for r in joblog(farflung.cwd / "log")] == [("127", "0")] * 2
    done = run_map(farflung, "-k", "--tx", tx, "/usr/bin/printf %s, {}", lines=TOUGH)
    assert done.stdout == "".join(f"{t}," for t in TOUGH)


@pytest.mark.parametrize("worker", ["native", "python"])
@pytest.mark.parametrize("command", ["printf '<%s>'", "/usr/bin/printf %s, {}"])
def test_bytes_that_are_no_text(farflung, worker, command):
    out = raw(farflung, "-k", "--tx", f"popen//worker={worker}", command, data=b"\xff\xfe\nb\n")
    assert out in (b"<\xff\xfe><b>", b"\xff\xfe,b,")


@pytest.mark.parametrize(
    "args, words",
    [
        (["--bogus", "echo"], "unknown option '--bogus'"),
        (["-j", "x", "echo", ":::", "1"], "-j wants"),
        (["--halt", "now,fail=0", "echo", ":::", "1"], "--halt wants"),
        (["--halt", "later,fail=1", "echo", ":::", "1"], "--halt wants"),
        (["--halt", "now,fail=101%", "echo", ":::", "1"], "--halt wants"),
        (["--resume", "echo", ":::", "1"], "no run was started here"),
        (["--block", "x", "--pipe", "cat"], "--block wants"),
        (["--pipe", "cat", ":::", "1"], "--pipe"),
        (["-k", "--lb", "echo", ":::", "1"], "exclude"),
        (["-C", "(", "echo", ":::", "1"], "no regular expression"),
        (["--joblog", "/dev/full/x", "echo", ":::", "1"], "/dev/full/x"),
        (["--results", "/dev/null/x", "echo", ":::", "1"], "/dev/null/x"),
        (["--tx", "nonsense=1", "echo", ":::", "1"], "nonsense"),
        (["-f", "none.yaml", "echo", ":::", "1"], "none.yaml"),
        (["--on", "nobody", "echo", ":::", "1"], "nobody"),
        (["-N0", "echo", "{}", ":::", "1"], "-N 0 gives it no item"),
        (["--timeout", "soon", "echo", ":::", "1"], "--timeout"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_wrong_use_starts_nothing(farflung, args, words):
    at = next(i for i, word in enumerate(args) if word in ("echo", "cat"))
    args = [*args[:at], "touch ran;", *args[at:]]
    done = farflung.run("map", *args, code=255)
    assert words in done.stderr, done.stderr
    assert not (farflung.cwd / "ran").exists()


# --- output ---

def test_output_of_a_unit_stays_together(farflung):
    """Both write while the other does; stdout and stderr are told apart."""
    command = ("echo {} 1; echo {} e >&2; touch s{}; while ! [ -e sa -a -e sb ]; do sleep 0.01; done; echo {} 2")
    done = run_map(farflung, "-j2", "--", command, lines=["a", "b"])
    assert done.stdout in ("a 1\na 2\nb 1\nb 2\n", "b 1\nb 2\na 1\na 2\n")
    assert sorted(done.stderr.splitlines()) == ["a e", "b e"]


def test_order_is_kept_though_units_end_in_another(farflung):
    command = "[ {} = a ] && while ! [ -e b ]; do sleep 0.01; done; touch {}; echo {}"
    done = run_map(farflung, "-j2", "-k", "--", command, lines=["a", "b", "c"])
    assert done.stdout == "a\nb\nc\n"


def test_lines_as_they_come(farflung):
    """The first line is there while its unit still waits for it to be read."""
    process = farflung.start("map", "--lb", "--tag", "--",
                             "echo {}; while ! [ -e go ]; do sleep 0.01; done; printf end", ":::", "a")
    assert process.stdout.readline() == "a\ta\n"
    (farflung.cwd / "go").touch()
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "a\tend")


@pytest.mark.parametrize("options", [[], ["-k"], ["--lb"], ["--tag"]], ids=str)
def test_a_lot_of_output_is_whole(farflung, options):
    """More than is kept in memory, or of a result: none of it is cut, or mixed."""
    done = run_map(farflung, "-j2", *options, "--", "seq {} 700000", lines=["1", "2"])
    lines = done.stdout.splitlines()
    assert len(lines) == 700000 + 699999
    if options != ["--lb"]:
        whole = [line.split("\t")[-1] for line in lines]
        first = 700000 if whole[0] == "1" else 699999
        assert whole[:first] == [str(i) for i in range(700001 - first, 700001)]


def test_the_last_attempt_is_shown(farflung):
    done = run_map(farflung, "--retries", "2", "--", "echo x >> n; wc -l < n; [ $(wc -l < n) = 3 ] && : {}", lines=["a"])
    assert done.stdout.split() == ["3"]


def test_a_reader_that_goes_away(farflung):
    """There is no end of lines, but one of who wants to see what comes of them."""
    done = subprocess.run(["sh", "-c", 'yes | { "$0" map echo; echo $? > code; } | head -n1', farflung.program],
                          cwd=farflung.cwd, env=farflung.env, capture_output=True, timeout=60, check=False)
    assert done.stdout == b"y\n"
    assert (farflung.cwd / "code").read_text() == "141\n", done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr


@pytest.mark.parametrize("stdout", ["pipe", "terminal"])
def test_bar(farflung, stdout):
    """On a terminal a line says how far it is; output stands above it, and it is gone at the end."""
    master, slave = pty.openpty()
    process = subprocess.Popen([farflung.program, "map", "--bar", "-j1", "--", "sleep 0.2; echo out {}; [ {} = a ]", ":::",
                                "a", "b"], stdin=subprocess.DEVNULL, stderr=slave, cwd=farflung.cwd, env=farflung.env,
                               stdout=slave if stdout == "terminal" else subprocess.PIPE)
    os.close(slave)
    said = b""
    with contextlib.suppress(OSError):
        while True:
            said += os.read(master, 65536)
    os.close(master)
    out = said if stdout == "terminal" else process.stdout.read()
    assert process.wait(60) == 1
    assert b"out a" in out and b"out b" in out
    said = said.decode()
    assert "] 0/2 0%" in said and "] 1/2 50%" in said
    shown = re.sub(r"[^\n]*\r\x1b\[J", "", said).replace("\r\n", "\n")
    assert shown.splitlines() == [*(["out a", "out b"] if stdout == "terminal" else []),
                                  "farflung: 1 failed, 1 passed (exit 1)"]


def test_no_bar_without_a_terminal(farflung):
    done = run_map(farflung, "--eta", "echo", lines=["a"])
    assert (done.stdout, done.stderr) == ("a\n", "")


def test_results_in_folders(farflung):
    farflung.run("map", "--results", "res", "--", "echo {1} {2}; echo e >&2; exit {2}", ":::", "a/b", "..", "",
                 "x" * 300, ":::", "0", "3", code=4)
    root = farflung.cwd / "res" / "1"
    assert (root / "a\\_b" / "2" / "3" / "stdout").read_text() == "a/b 3\n"
    assert (root / "a\\_b" / "2" / "3" / "stderr").read_text() == "e\n"
    assert (root / "a\\_b" / "2" / "3" / "seq").read_text() == "2"
    assert "exit 3" in (root / "a\\_b" / "2" / "3" / "status").read_text()
    assert (root / "\\.." / "2" / "0" / "stdout").read_text() == ".. 0\n"
    assert (root / "\\" / "2" / "0" / "stdout").read_text() == " 0\n"
    assert len(list((farflung.cwd / "res").rglob("stdout"))) == 8


# --- exit codes ---

@pytest.mark.parametrize(
    "args, code",
    [
        (["true", ":::", "1", "2"], 0),
        (["exit {}", ":::", "1", "0", "3"], 2),
        (["exit 1", "::::", "hundred"], 100),
        (["exit 1", "::::", "hundred", ":::", "a", "b"], 101),
        (["kill -9 $$", ":::", "1"], 1),
        (["--timeout", "0.2", "sleep 60", ":::", "1"], 1),
        (["-j1", "--halt", "soon,fail=1", "exit {}", ":::", "0", "5", "0"], 5),
        (["-j1", "--halt", "now,fail=1", "exit {}", ":::", "5", "0"], 5),
        (["-j1", "--halt", "soon,fail=2", "exit {}", ":::", "5", "6", "7"], 2),
        (["-j1", "--halt", "soon,success=1", "exit {}", ":::", "5", "0", "1"], 0),
        (["-j1", "--halt", "now,done=1", "exit {}", ":::", "5", "0"], 5),
        (["-j1", "--halt", "soon,fail=50%", "exit {}", ":::", "5", "6", "7", "8", "9", "0"], 50),
        (["-j1", "--halt", "soon,fail=10%", "exit {}", ":::", "5", "6", "7", "8", "9", "0"], 17),
        (["-j1", "--halt", "never", "exit {}", ":::", "5", "0"], 1),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else str(value),
)
def test_exit_code_is_as_of_gnu_parallel(farflung, args, code):
    write(farflung.cwd / "hundred", "".join(f"{i}\n" for i in range(100)))
    done = farflung.run("map", *args, code=code)
    if code:
        assert done.stderr.splitlines()[-1].endswith(f"(exit {code})")
    assert gnu(farflung, *[a.replace("0.2", "1") for a in args]).returncode == code


def test_halt_now_kills_what_runs(farflung):
    done = run_map(farflung, "-j2", "--halt", "now,fail=1", "--joblog", "log", "--",
                   "[ {} = bad ] && { while ! [ -e on ]; do sleep 0.01; done; exit 3; }; touch on; sleep 600",
                   lines=["bad", "long", "never"], code=3)
    assert "1 not run" in done.stderr
    assert [(row["Seq"], row["Exitval"]) for row in joblog(farflung.cwd / "log")] == [("1", "3")]


def test_halt_soon_lets_it_end(farflung):
    done = run_map(farflung, "-j2", "--halt", "soon,fail=1", "--",
                   "[ {} = bad ] && { while ! [ -e on ]; do sleep 0.01; done; exit 3; }; touch on; sleep 1; echo ended",
                   lines=["bad", "long", "never"], code=3)
    assert done.stdout == "ended\n" and "1 not run" in done.stderr


# --- the job log ---

def test_job_log_is_as_of_gnu_parallel(farflung):
    args = ["-j1", "--joblog"], ["echo out; echo error >&2; exit {}", ":::", "1", "0", "3"]
    farflung.run("map", *args[0], "ours", *args[1], code=2)
    rows = joblog(farflung.cwd / "ours")
    assert [(r["Seq"], r["Host"], r["Send"], r["Receive"], r["Exitval"], r["Signal"]) for r in rows] == [
        ("1", ":", "0", "4", "1", "0"), ("2", ":", "0", "4", "0", "0"), ("3", ":", "0", "4", "3", "0")]
    assert [r["Command"] for r in rows] == [
        f"echo out; echo error >&2; exit {n}" for n in (1, 0, 3)]
    gnu(farflung, *args[0], "theirs", *args[1])

    def shape(name):
        return re.sub(r"\d+\.\d{3}", "TIME", (farflung.cwd / name).read_text())

    assert shape("ours") == shape("theirs")


def test_job_log_of_other_ends(farflung):
    run_map(farflung, "-j1", "--joblog", "log", "--timeout", "0.2", "--retries", "1", lines=[
        "kill -9 $$", "sleep 60", "printf 'a\\nb'"], code=2)
    rows = {r["Seq"]: (r["Exitval"], r["Signal"]) for r in joblog(farflung.cwd / "log")}
    assert rows == {"1": ("0", "9"), "2": ("-1", "15"), "3": ("0", "0")}


def test_resume(farflung):
    for command in ("exit {}", "echo ran {}; exit {}"):
        done = run_map(farflung, "-j1", "--joblog", "log", "--resume", "--", command, lines=["0", "1"], code=1 if
                       command == "exit {}" else 0)
        assert done.stdout == ""
    done = run_map(farflung, "-j1", "--joblog", "log", "--resume", "--", "echo {#} {}", lines=["0", "1", "2"])
    assert done.stdout == "3 2\n"
    done = run_map(farflung, "-j1", "--joblog", "log", "--resume-failed", "--", "echo {#} {}", lines=["0", "1", "2"])
    assert done.stdout == "2 1\n"
    assert run_map(farflung, "--joblog", "log", "--resume-failed", "echo", lines=["0", "1", "2"]).stdout == ""
    assert [r["Seq"] for r in joblog(farflung.cwd / "log")] == ["1", "2", "3", "2"]


def test_resume_goes_on_with_gnu_parallels_log(farflung):
    assert gnu(farflung, "--joblog", "log", "exit {}", ":::", "0", "1").returncode == 1
    done = farflung.run("map", "--joblog", "log", "--resume-failed", "echo", ":::", "0", "1", "2", code=0)
    assert sorted(done.stdout.split()) == ["1", "2"]


def test_resume_behind_half_a_line(farflung):
    log = farflung.cwd / "log"
    run_map(farflung, "-j1", "--joblog", "log", "echo", lines=["a", "b"])
    whole = log.read_text()
    log.write_text(whole[:-9])
    done = run_map(farflung, "-j1", "--joblog", "log", "--resume", "echo", lines=["a", "b", "c"])
    assert done.stdout == "b\nc\n"
    assert [r["Command"] for r in joblog(log)] == ["echo a", "echo b", "echo c"]
    log.write_text("Seq\tHo")
    assert run_map(farflung, "--joblog", "log", "--resume", "echo", lines=["a"]).stdout == "a\n"
    assert [r["Seq"] for r in joblog(log)] == ["1"]


def test_resume_of_what_is_no_job_log(farflung):
    text = "dear diary\n"
    write(farflung.cwd / "log", text)
    done = run_map(farflung, "--joblog", "log", "--resume", "echo", lines=["a"], code=255)
    assert "log:1: this is no line of a job log" in done.stderr
    assert (farflung.cwd / "log").read_text() == text


def test_a_job_log_on_a_full_disk(farflung):
    """The run ends with the path, before units run of which nobody would know."""
    done = run_map(farflung, "-j1", "--joblog", "/dev/full", "echo", lines=[str(i) for i in range(10000)], code=255)
    assert done.stderr.count("cannot write '/dev/full'") == 2 and "not run" in done.stderr.splitlines()[-1]
    assert len(done.stdout.split()) < 10000


def test_results_that_cannot_be_written(farflung):
    write(farflung.cwd / "res" / "1" / "b", "in the way")
    done = run_map(farflung, "-j1", "--results", "res", "echo", lines=["a", "b", "c"], code=255)
    assert "cannot write 'res/1/b/" in done.stderr
    assert (farflung.cwd / "res" / "1" / "a" / "stdout").read_text() == "a\n"


def test_killed_and_gone_on_with(farflung):
    """Each unit has one line in the end; what ran when the controller died runs again."""
    command = "[ {} = 3 -a ! -e go ] && { touch hangs; sleep 600; }; echo {}"
    lines = [str(i) for i in range(1, 6)]
    path = farflung.cwd.parent / "stdin"
    path.write_text("".join(line + "\n" for line in lines))
    with open(path, "rb") as stdin:
        process = farflung.start("map", "-j1", "--joblog", "log", "--", command, stdin=stdin)
    wait_until((farflung.cwd / "hangs").exists, 60, "the third unit runs")
    wait_until(lambda: (farflung.cwd / "log").read_text().count("\n") == 3, 60, "two are in the log")
    process.kill()
    process.communicate()
    wait_until(lambda: not farflung.left_over(), 60, "all its processes are gone")
    (farflung.cwd / "go").touch()
    done = run_map(farflung, "-j1", "--joblog", "log", "--resume", "--", command, lines=lines)
    assert done.stdout.split() == ["3", "4", "5"]
    assert [r["Seq"] for r in joblog(farflung.cwd / "log")] == lines


@pytest.mark.parametrize("times", [1, 2])
def test_interrupted(farflung, times):
    """Once lets the running unit end, twice kills it; the log has only what came to its end."""
    process = farflung.start("map", "-j1", "--joblog", "log", "--", "touch on; while ! [ -e go ]; do sleep 0.01; done; : {}",
                             ":::", "a", "b")
    wait_until((farflung.cwd / "on").exists, 60, "a unit runs")
    process.send_signal(signal.SIGINT)
    assert "interrupted" in process.stderr.readline()
    if times == 2:
        process.send_signal(signal.SIGINT)
    else:
        (farflung.cwd / "go").touch()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert [r["Seq"] for r in joblog(farflung.cwd / "log")] == (["1"] if times == 1 else [])


# --- blocks ---

@pytest.mark.parametrize("block", ["1", "7", "1000", "64k", "10M"])
def test_blocks_of_stdin(farflung, block):
    lines = [f"line {i}" + "x" * (i % 50) for i in range(300 if len(block) < 3 else 3000)]
    done = run_map(farflung, "-k", "-j2", "--pipe", "--block", block, "cat", lines=lines)
    assert done.stdout.splitlines() == lines


def test_blocks_end_with_lines(farflung):
    lines = [str(i) for i in range(100000)]
    done = run_map(farflung, "-k", "--pipe", "--block", "100k", "--", "tail -n1; echo {#}", lines=lines)
    words = done.stdout.split()
    assert words[1::2] == [str(i + 1) for i in range(len(words) // 2)] and 5 <= len(words) // 2 <= 7
    assert set(words[0::2]) < set(lines) and words[-2] == "99999"


def test_blocks_as_they_come(farflung):
    process = feed(farflung, "-j1", "--pipe", "--block", "4", "cat")
    for word in ("one", "two"):
        process.stdin.write(f"{word}\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{word}\n"
    out, err = process.communicate("end", timeout=60)
    assert (process.returncode, out) == (0, "end"), err


def test_blocks_of_a_device(farflung):
    assert raw(farflung, "--pipe", "cat", data=b"") == b""
    with open("/dev/null", "rb") as stdin:
        assert farflung.run("map", "--pipe", "cat", stdin=stdin, code=0).stdout == ""


def test_blocks_of_a_pipe_and_of_bytes(farflung):
    data = bytes(range(256)) * 3000
    assert raw(farflung, "-k", "--pipe", "--block", "50k", "cat", data=data) == data


# --- hosts ---

def test_hosts_of_an_inventory(farflung):
    farflung.yaml("inventory:\n  hosts:\n"
                  "    - {spec: popen, name: one, tags: [small]}\n    - {spec: popen, name: two, slots: 2}\n"
                  "jobs: {map: {run: 'touch ran'}}\nreport: {jsonl: theirs.jsonl}\n")
    events = farflung.cwd.parent / "events.jsonl"
    done = run_map(farflung, "-k", "-f", "farflung.yaml", "--on", "small", "--jsonl", events, "echo", lines=["a", "b"])
    assert done.stdout == "a\nb\n"
    finished = of_kind(read_jsonl(events), "unit-finished")
    assert {e["host"] for e in finished} == {"one"} and [e["unit"] for e in finished] == ["map-[a]", "map-[b]"]
    assert not (farflung.cwd / "ran").exists() and not (farflung.cwd / "theirs.jsonl").exists()


def test_all_slots_of_all_hosts(farflung):
    """Each waits for all others: they run at the same time, on two hosts with two slots each."""
    command = "touch s{#}; while ! [ -e s1 -a -e s2 -a -e s3 -a -e s4 ]; do sleep 0.01; done; echo {%}"
    done = run_map(farflung, "-j2", "--tx", "popen//id=x", "--tx", "popen//id=y", "--joblog", "log", "--", command,
                   lines=["a", "b", "c", "d"])
    assert sorted(done.stdout.split()) == ["1", "2", "3", "4"]
    hosts = sorted(r["Host"] for r in joblog(farflung.cwd / "log"))
    assert hosts == [":"] * 4


def test_a_host_that_goes_away(farflung):
    """What ran there runs again elsewhere; its output is shown once, and it is in the log once."""
    command = ("echo begun; [ {} = victim -a ! -e died ] && { touch died; kill -9 $PPID; sleep 600; }; echo {}")
    done = run_map(farflung, "-j1", "-k", "--tx", "popen//id=x", "--tx", "popen//id=y", "--joblog", "log", "--", command,
                   lines=["a", "victim", "c", "d"])
    assert done.stdout == "begun\na\nbegun\nvictim\nbegun\nc\nbegun\nd\n"
    assert sorted(r["Seq"] for r in joblog(farflung.cwd / "log")) == ["1", "2", "3", "4"]
    assert "farflung: host " in done.stderr


def test_over_ssh(farflung, sshd):
    done = run_map(farflung, "-k", "--tx", sshd.xspec("id=far"), "--joblog", "log", "printf", "'<%s>'", lines=TOUGH)
    assert done.stdout == "".join(f"<{t}>" for t in TOUGH)
    assert {r["Host"] for r in joblog(farflung.cwd / "log")} == {"far"}


def test_a_host_that_is_not_there(farflung):
    done = run_map(farflung, "--tx", "popen//python=/does/not/exist//worker=python", "echo", lines=["a"], code=255)
    assert "lost" in done.stderr or "not run" in done.stderr


def test_what_ran_is_in_the_journal(farflung):
    run_map(farflung, "-j1", "echo", lines=["a"])
    journal, = (farflung.cwd / ".farflung" / "runs").glob("2*/journal.jsonl")
    events = read_journal(journal)
    assert of_kind(events, "unit-output")[0]["text"] == "a\n"
    assert of_kind(events, "run-finished")[0]["exit_code"] == 0


def test_help(farflung):
    done = farflung.run("map", "--help", code=0)
    assert all(len(line) <= 110 for line in done.stdout.splitlines())
    assert "--keep-order" in done.stdout and os.linesep in done.stdout
