"""farflung map: how items become units, as GNU parallel has it: the same is asked of both."""
import datetime
import os
import shlex

import pytest

from test_map import gnu, joblog, raw, run_map
from conftest import read_jsonl, write


def seq(last):
    return "".join(f"{i}\n" for i in range(1, last + 1))


# Words, stdin.
CASES = [
    ("-N2 echo {1}-{2}-{} ::: a b c 'd e' f", ''),
    ("-N2 echo ::: a b c 'd e' f", ''),
    ("-N2 echo x{}y ::: a b c 'd e' f", ''),
    ('-N2 echo x{1}y ::: a b c', ''),
    ("-N2 echo '{1} {2} {3} {-1} {2/} {.}' ::: a/x.c b/y.d c", ''),
    ('-n2 echo ::: a b c', ''),
    ('-n2 echo {1}-{2} ::: a b c', ''),
    ('-n2 echo x{}y {#} ::: a b c', ''),
    ('--max-args 2 echo ::: a b c', ''),
    ('--max-replace-args 2 echo {2} ::: a b c', ''),
    ('-N2 echo {1}-{2}-{3}-{4} ::: a b c ::: 1 2', ''),
    ('-N3 echo ::: a b c ::: 1 2', ''),
    ('-N2 --colsep , echo {1}-{2}-{3}-{4} ::: a,b c,d e,f', ''),
    ("--dry-run -N2 echo {} '>' {.} ::: a.x b.x c.x", ''),
    ('-N2 --tag echo {1} ::: a b c', ''),
    ("-j1 -X echo ::: a b c 'd e'", ''),
    ('-j2 -X echo ::: a b c d e', ''),
    ('-j2 -m echo ::: a b c d e', ''),
    ('-j1 -X echo x{}y {#} ::: a b c', ''),
    ('-j1 -m echo x{}y {#} ::: a b c', ''),
    ('-j1 -X -s 20 echo x{}y ::: a b c d e f g h', ''),
    ('-j1 -m -s 20 echo x{}y ::: a b c d e f g h', ''),
    ('-j1 -X -s 20 echo ::: a b c d e f g h', ''),
    ('-j1 -X -n2 echo x{}y ::: a b c d e', ''),
    ('-j1 -m -n2 echo x{}y ::: a b c d e', ''),
    ('-j1 -X echo x{.}y-{/}z ::: a/1.c b/2.d', ''),
    ('-j3 -X echo', seq(10)),
    ('-j4 -X echo', seq(10)),
    ('-j3 -X -s 100 echo', seq(100)),
    ("-j2 -X -N3 echo '{1} {}' ::: 1 2 3 4 5 6 7", ''),
    ('-j2 -X -N4 echo ::: 1 2 3 4 5 6', ''),
    ('-j3 -X -n4 echo ::: 1 2 3 4 5 6 7 8', ''),
    ("-j1 -X echo '{1} {2} {}' ::: a b c d", ''),
    ('-j1 -X echo ::: a b ::: 1 2', ''),
    ('-j2 -X echo {}{} ::: a b c d', ''),
    ('-j2 -m echo {}{} ::: a b c d', ''),
    ('-j2 -X --tag echo ::: a b c', ''),
    ('-j8 -X echo ::: a b c', ''),
    ("-j2 -X -C, echo '{2} {1}' ::: a,1 b,2 c,3", ''),
    ('-j2 -X -s 10 echo ::: 1 2 3 4 5 6 7 8', ''),
    ('-j1 -X -s 5 echo ::: 1 2', ''),
    ('--header : echo {name} :::: names', ''),
    ("--header : echo '{name} {age}' :::: names :::: ages", ''),
    ("--header : echo '{name} {age} {1} {2} {}' :::: names ::::+ ages", ''),
    ("--header : -C , echo '{n}/{a b}/{1}/{2}/{}' :::: csv", ''),
    ("--header : echo '{name.} {name/} {name//} {name/.}' ::: name d/a.c e/b.d", ''),
    ("--header : -C , echo '{nope} {}' :::: csv", ''),
    ('--header : --tag echo {name} :::: names', ''),
    ('--header : echo :::: names', ''),
    ('--header : echo ::: name', ''),
    ('--header : echo {name}', 'name\na\nb\n'),
    ('--header : --link echo {name}{age} :::: names :::: ages', ''),
    ('--header : -N2 echo {name} :::: names', ''),
    ('--link echo ::: a b c ::: 1 2', ''),
    ('--xapply echo ::: a b c ::: 1 2', ''),
    ('--link echo ::: a b c ::: 1 2 ::: x', ''),
    ('--link echo ::: a b :::+ 1 ::: X Y Z', ''),
    ('--link -C, echo {1}{2}{3} ::: a,b ::: 1 2', ''),
    ('--link -a names -a ages echo', ''),
    ('-N2 --link echo {1}{2}{3}{4} ::: a b c ::: 1 2 3', ''),
    ('-d , echo ::: a,b c', ''),
    ('-d , echo', 'a,b,c\n'),
    ('-d , echo', 'a,b,c'),
    ('-d END echo', 'aENDbENDc'),
    ("-d '\\t' echo", 'a\tb\tc'),
    ("-d '\\n\\n' echo", 'a\n\nb\n\nc\n'),
    ("-d '\\170' echo", 'axbxc'),
    ("-d '\\0' echo", 'a\x00b\x00'),
    ('--null echo', 'a\x00b\x00'),
    ('-d ab echo', 'aabb'),
    ('-d , echo [{}]', 'x,,y'),
    ('-r -d , echo [{}]', 'x,,y'),
    ('--trim l printf \'"[%s]"\' {}', ' a \n b\nc \n\tx\t \n'),
    ('--trim r printf \'"[%s]"\' {}', ' a \n b\nc \n\tx\t \n'),
    ('--trim lr printf \'"[%s]"\' {}', ' a \n b\nc \n\tx\t \n'),
    ('--trim rl printf \'"[%s]"\' {}', ' a \n b\nc \n\tx\t \n'),
    ('--trim n printf \'"[%s]"\' {}', ' a \n b\nc \n\tx\t \n'),
    ('--trim x echo', 'a\n'),
    ('--trim lr -C , printf \'"[%s]"\' {1} {2}', ' a , b \n'),
    ("--trim lr --tag echo ::: ' a '", ''),
    ('-q echo \'$HOME\' \'it\'"\'"\'s\' {} \'*\' ::: \'a  b\'', ''),
    ('-q printf \'%s\\n\' \'"{}"\' ::: \'a  b\' \'$x\'', ''),
    ("-q echo {.} a{}b '$(id)' ::: 'x y.c'", ''),
    ("-q echo 'a;b' '|' '>x' '&' ::: x", ''),
    ("-q 'echo a' ::: x", ''),
    ("-q -N2 echo {1} ::: 'a  b' c", ''),
    ('-q perl -e \'print "@ARGV\\n"\' ::: \'a  b\'', ''),
    ("--dry-run -j2 -X echo {#} {} ::: a b c", ''),
    ("--dry-run -m -j1 echo x{}y ::: a b c", ''),
    ("--dry-run -n2 echo ::: a b c", ''),
    ("--dry-run --header : echo {name} ::: name 'a b'", ''),
    ("--dry-run --link echo ::: a b ::: 1", ''),
    ("--dry-run -q echo '$x' {} ::: 'x y.c'", ''),
    ("--dry-run -d , --trim lr echo ::: 'a , b'", ''),
    ("--dry-run -N2 -C, echo {3} ::: a,b c,d", ''),
    ("--timeout 1000% -j1 sleep ::: 0.2 0.2 0.2 60", ''),
    ("--timeout 1000% -j1 'sleep {}; exit 1' ::: 0.3", ''),
    ('--delay 0.05 echo ::: a b', ''),
    ("-N2 'exit 3; echo' ::: a b c", ''),
    ("-N2 -j1 'echo; exit {1};' ::: 0 1 2 3 0 0", ''),
    ("-I ,, echo a,,b {} {.} {1} ::: x.c", ''),
    ("-I ,, echo a ::: 'x  y'", ''),
    ("-I {} echo a{}b {1} ::: x", ''),
    ("-IXX echo XX. ::: a.c", ''),
    ("-I XX -N2 echo aXXb {1} {#} ::: x y z", ''),
    ("-I XX -j1 -X echo aXXb ::: x y z", ''),
    ("-I XX echo '{1.} {2} XX' ::: a.c ::: b", ''),
    ("-I , 'printf \"[%s]\" ,' ::: 'x  y' '$z'", ''),
    ("-I XX awk '\"/XX/ {print}\"' names ::: ann", ''),
    ("-I {#} echo {#} ::: a", ''),
    ('-L2 echo ::: a b c', ''),
    ('-L2 echo x{}y ::: a b c', ''),
    ('-L2 echo {1}-{2} ::: a b c', ''),
    ("-L2 echo", 'a\nb\nc\n\nd\n'),
    ("--max-lines 1 echo [{}]", 'a\nb\n'),
    ("--tagstring T{} echo ::: a b", ''),
    ("--tagstring '{1}:{2.}-{#}' echo ::: a b ::: d/x.c", ''),
    ("--tagstring plain echo ::: a b", ''),
    ("--tagstring 'a\\tb {}' echo ::: 'x  *' '$y'", ''),
    ("--tag --tagstring Z 'echo 1; echo 2 >&2' ::: x", ''),
    ("-I XX --tagstring 'XX-{}' echo ::: a", ''),
    ("--header : --tagstring '{name}' echo :::: names", ''),
    ("-N2 --tagstring '{2}{1}' echo ::: a b c", ''),
    ("-E END echo", 'a\nb\nEND\nc\n'),
    ("-E b echo ::: a b c", ''),
    ("-E 1 echo ::: a b c ::: 0 1 2", ''),
    ("-E a echo ::: a b c", ''),
    ("--arg-sep ,, echo ,, a b", ''),
    ("--arg-sep ,, echo ::: ,, a b ,, c", ''),
    ("-P 2 echo ::: a", ''),
    ("--wd /tmp pwd ::: a", ''),
    ('-N2 echo', ''),
    ('-N2 cat', '/dev/null\n/dev/null\n'),
    ('-N2 -r echo {1}-{2}', 'a\n\nb\n'),
]


@pytest.mark.parametrize("words, text", CASES, ids=lambda value: value[:40])
def test_as_gnu_parallel(farflung, words, text):
    """Output and exit code."""
    write(farflung.cwd / "names", "name\nann\nbob\n")
    write(farflung.cwd / "ages", "age\n1\n2\n")
    write(farflung.cwd / "csv", "n,a b\nx,1\ny z,2\n")
    args = ["-k", *shlex.split(words)]
    theirs = gnu(farflung, *args, text=text)
    assert raw(farflung, *args, data=text.encode(), code=theirs.returncode) == theirs.stdout


def test_ungrouped(farflung):
    """-u, which -k excludes here."""
    theirs = gnu(farflung, "-u", "-j1", "echo", ":::", "a", "b")
    assert raw(farflung, "-u", "-j1", "echo", ":::", "a", "b", data=b"", code=theirs.returncode) == theirs.stdout == b"a\nb\n"


def test_results_have_a_folder_for_each_value(farflung):
    farflung.run("map", "-N2", "--results", "ours", "echo", ":::", "a", "b", "c", code=0)
    gnu(farflung, "-N2", "--results", "theirs", "echo", ":::", "a", "b", "c")
    found = {name: {str(path.relative_to(farflung.cwd / name)) for path in (farflung.cwd / name).rglob("stdout")}
             for name in ("ours", "theirs")}
    assert found["ours"] == found["theirs"] == {"1/a/1/b/stdout", "1/c/stdout"}


def test_results_of_very_many_values(farflung):
    """More than a path has room for."""
    assert raw(farflung, "-X", "-j1", "--results", "r", "echo", data=seq(5000).encode()).split()[-1] == b"5000"
    paths = [path.relative_to(farflung.cwd / "r") for path in (farflung.cwd / "r").rglob("stdout")]
    assert len(paths) == 1 and str(paths[0]).startswith("1/1/1/2/1/3/") and str(paths[0]).endswith("/~1/stdout")
    assert (farflung.cwd / "r" / paths[0]).read_text().split() == seq(5000).split()


def test_a_limit_by_what_others_took(farflung):
    """Those that failed do not count; a time is still a time."""
    done = run_map(farflung, "-k", "-j1", "--timeout", "1000%", "--", "echo {}; sleep {}; [ {} = 0.3 ]",
                   lines=["0.01", "0.3", "0.3", "60"], code=2)
    assert done.stdout == "0.01\n0.3\n0.3\n60\n"
    assert farflung.run("map", "--timeout", "0.2", "sleep", ":::", "60", code=1).stdout == ""


def test_a_pause_between_starts(farflung):
    """Also when several slots are free, and units are short; as the run decided it."""
    farflung.run("map", "--delay", "0.2", "-j3", "--jsonl", "events", "true", ":::", *"abcde", code=0)
    starts = [datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
              for event in read_jsonl(farflung.cwd / "events") if event["event"] == "unit-started"]
    assert len(starts) == 5
    pauses = [(later - earlier).total_seconds() for earlier, later in zip(starts, starts[1:])]
    assert min(pauses) >= 0.199, pauses


def test_job_log_and_resume_of_groups(farflung):
    def logs(run, name, *options):
        run(farflung, "-N2", "-j1", "--joblog", name, *options, "echo {1}; exit {2} #", ":::", "a", "0", "b", "3", "c", "0")
        return sorted((row["Seq"], row["Exitval"], row["Command"]) for row in joblog(farflung.cwd / name))

    def ours(_, *args):
        return farflung.run("map", *args)

    assert logs(ours, "ours") == logs(gnu, "theirs")
    assert logs(ours, "ours", "--resume-failed") == logs(gnu, "theirs", "--resume-failed")


def test_groups_begin_as_their_items_come(farflung):
    process = farflung.start("map", "-j1", "-N2", "echo", "{#}", "{}", stdin=-1)
    for i in (1, 2):
        process.stdin.write("a\nb\nc" if i == 1 else "\nd\n")
        process.stdin.flush()
        assert process.stdout.readline() == ("1 a b\n" if i == 1 else "2 c d\n")
    out, err = process.communicate("e", timeout=60)
    assert (process.returncode, out) == (0, "3 e\n"), err


def test_resume_of_groups_as_they_come(farflung):
    run_map(farflung, "-N2", "-j1", "--joblog", "log", "exit {2} #", lines=["a", "0", "b", "1", "c", "0"], code=1)
    again = raw(farflung, "-N2", "-j1", "--joblog", "log", "--resume-failed", "echo", data=b"a\n0\nb\n1\nc\n0\nd\n")
    assert again == b"b 1\nd\n"


def test_as_many_as_fit(farflung):
    """All come, in order, in few commands, none of which is too long."""
    out = raw(farflung, "-k", "-j1", "-X", "echo", data=seq(60000).encode())
    assert out.split() == seq(60000).encode().split() and 2 <= out.count(b"\n") <= 4
    tough = ["a b", "it's", "$HOME", "*"] * 3000
    out = raw(farflung, "-k", "-j1", "-X", "printf %s,", data="".join(f"{t}\n" for t in tough).encode())
    assert out.decode() == "".join(f"{t}," for t in tough)


def test_slots_of_all_hosts_share_what_is_left(farflung):
    done = run_map(farflung, "-k", "--tx", "2*popen", "--tx", "popen", "-X", "echo", text=seq(9))
    assert done.stdout == "1 2 3\n4 5 6\n7 8 9\n"
    farflung.yaml("version: 1\ninventory: [3*popen//id=a, popen//id=b]\n")
    done = run_map(farflung, "-k", "-f", "farflung.yaml", "--on", "a", "-X", "echo", text=seq(9))
    assert done.stdout == "1 2 3\n4 5 6\n7 8 9\n"


def test_shuffled(farflung):
    """The same items, numbered as they are run; forty are not in their order by chance."""
    orders = [raw(farflung, "-k", "--shuf", "echo {#} {}", data=seq(40).encode()) for _ in range(2)]
    pairs = [[line.split() for line in out.splitlines()] for out in orders]
    for rows in pairs:
        assert [int(row[0]) for row in rows] == list(range(1, 41))
        assert sorted(int(row[1]) for row in rows) == list(range(1, 41))
        assert [row[1] for row in rows] != [row[0] for row in rows]
    assert pairs[0] != pairs[1]


def test_words_end_where_the_shell_ends_them(farflung):
    """Where GNU parallel, which knows blanks only, would run a command named b."""
    done = run_map(farflung, "-k", "-N2", "--", "echo {}; echo \"<{}>\"", lines=["a", "b c"])
    assert done.stdout == "a b c\n<a> <b c>\n"


@pytest.mark.parametrize("args, words", [
    (["-N", "x"], "-N wants 0 to 1000000, got 'x'"),
    (["-n", "-1"], "-n wants 0 to 1000000, got '-1'"),
    (["-N2", "-n2"], "-N, -n and -L exclude each other"),
    (["--header", "2"], "--header wants ':', got '2'"),
    (["-s", "10"], "--max-chars is for -X and -m"),
    (["-X", "-s", "0"], "--max-chars wants 1 to 131072, got '0'"),
    (["-X", "-s", "9"], "item 1 makes a command line of more than the 8 characters"),
    (["-0", "-d,"], "-0 and -d exclude each other"),
    (["-d", ""], "--delimiter wants text"),
    (["-d", "\\q"], "-d wants a text"),
    (["-d", "a\\0"], "-d wants a text"),
    (["--trim", "x"], "--trim wants n, l, r or lr, got 'x'"),
    (["--pipe", "-N2"], "-N is about items, and --pipe has none"),
    (["--pipe", "-d", "ab"], "with --pipe -d wants one character, got 'ab'"),
    (["--header", ":", "-a", "/dev/null"], "/dev/null: --header wants a first item"),
    (["-X", "-f", "none.yaml"], "none.yaml"),
    (["-X", "--on", "nobody"], "nobody"),
    (["--timeout", "0%"], "--timeout wants a percentage from 1% to"),
    (["--timeout", "x%"], "--timeout wants a duration"),
    (["--timeout", "soon"], "--timeout wants a duration"),
    (["--delay", "soon"], "--delay wants"),
], ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "")
def test_wrong_use_starts_nothing(farflung, args, words):
    done = run_map(farflung, *args, "touch", "ran", lines=["1", "2"], code=255)
    assert words in done.stderr and not (farflung.cwd / "ran").exists()


def test_limits_are_those_of_jobs(farflung):
    """Also where no shell is needed."""
    write(farflung.cwd / "show", "#!/bin/sh\necho $(nice) $(ulimit -d) $1\n").chmod(0o755)
    nice = min(os.nice(0) + 5, 19)
    for command in ("./show", "./show {};"):
        assert run_map(farflung, "--nice", "5", "--memory", "1GiB", "--cpu", "1", "-k", command, ":::", "a", "b", code=0).stdout in (
            f"{nice} 1048576 a\n{nice} 1048576 b\n", f"{nice} unlimited a\n{nice} unlimited b\n")
    assert "fits no host" in farflung.run("map", "--memory", "900T", "echo", ":::", "a", code=255).stderr


@pytest.mark.parametrize("words, message", [
    ("-I '' echo ::: a", "--replace wants text, got ''"),
    ("--arg-sep '' echo ::: a", "--arg-sep wants text, got ''"),
    ("-L 0 echo ::: a", "-L wants 1 to 1000000, got '0'"),
    ("-L 2 -n 2 echo ::: a", "-N, -n and -L exclude each other"),
    ("--tagstring '{%}' echo ::: a", "--tagstring can't have {%}"),
    ("--nice 20 echo ::: a", "--nice wants a number from 0 to 19, got '20'"),
    ("--memory lots echo ::: a", "--memory wants"),
    ("--cpu lots echo ::: a", "--cpu wants"),
    ("--pipe -L 2 cat", "-L is about items, and --pipe has none"),
    ("--pipe -E x cat", "-E is about items, and --pipe has none"),
])
def test_wrong_options(farflung, words, message):
    done = farflung.run("map", *shlex.split(words), code=255)
    assert message in done.stderr and not (farflung.cwd / ".farflung").exists()
