"""Values from outside a file, secrets, and files that are put together from parts."""
import json
import pathlib
import subprocess

import pytest

from conftest import TOP, write

SECRET = "s3cr'et \"x\" \\ value"
FILE = "inventory: [2*popen]\n"


def env_of(farflung, **more):
    return dict(farflung.env, **more)


def everything_under(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]


def assert_nowhere(secret, *folders, but=()):
    """Not in any file, as it is or as JSON, Python or XML would write it."""
    forms = [secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], secret.replace('"', "&quot;").replace("'", "&apos;")]
    for folder in folders:
        for path in everything_under(folder):
            if path.name in but:
                continue
            data = path.read_bytes()
            for form in forms:
                assert form.encode() not in data, f"{path} has it"


# --- variables ---


def test_order_of_values(farflung):
    farflung.yaml(FILE + "vars: {a: file, b: file, c: file}\njobs:\n"
                  "  one: {run: 'echo \"{a} {b} {c}\"', vars: {c: job}}\n"
                  "  two: {run: [echo, '{c}']}\n")
    write(farflung.cwd / "values.yaml", "a: values\nb: values\n")
    env = env_of(farflung, FARFLUNG_VAR_b="environment", FARFLUNG_VAR_c="environment")
    done = farflung.run("run", "-vv", "-e", "@values.yaml", "--var", "a=x y $HOME", code=0, env=env)
    assert "x y $HOME values environment" in done.stdout
    done = farflung.run("run", "-vv", "-j", "one", code=0)
    assert "file file job" in done.stdout


def test_placeholders_in_pytest_jobs(farflung):
    write(farflung.cwd / "tests" / "test_a.py",
          "import os\ndef test_one(): assert os.environ['WHO'] == 'an it'\ndef test_two(): assert 0\n")
    done = farflung.run_yaml(FILE + "tree: {source: .}\nvars: {which: one, who: it}\njobs:\n"
                             "  unit: {pytest: [tests, -k, '{which}'], env: {WHO: 'an {who}'}}\n", code=0)
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("args, words", [
    (["-e", "siez=1"], "farflung.yaml: option -e: no variable of the file is called 'siez'; did you mean 'size'?"),
    (["-e", "size"], "farflung.yaml: -e wants NAME=VALUE or @FILE, got 'size'"),
    (["-e", "@nowhere.yaml"], "-e @nowhere.yaml: No such file or directory"),
    (["-e", "@bad.yaml"], "bad.yaml:2:7: variable 'b' wants text or {secret: ...}, got a list"),
    (["-e", "@list.yaml"], "list.yaml:1:1: -e @FILE wants a mapping of names to text"),
    (["--profile", "cii"], "farflung.yaml: --profile cii: the file has no profile of that name; did you mean 'ci'?"),
])
@pytest.mark.parametrize("command", ["check", "run"])
def test_bad_command_line(farflung, command, args, words):
    write(farflung.cwd / "bad.yaml", "a: 1\nb   : [c]\n")
    write(farflung.cwd / "list.yaml", "- a\n")
    farflung.yaml(FILE + "vars: {size: 1, a: 1, b: 1}\nprofiles: {ci: {settings: {maxfail: 1}}}\n"
                  "jobs: {one: {run: 'true'}}\n")
    done = farflung.run(command, *args, code=2)
    assert words in done.stderr
    assert not (farflung.cwd / ".farflung").exists()


def test_steps(farflung):
    env = env_of(farflung, OUTSIDE="$(echo no); x", MY_TOKEN=SECRET)
    done = farflung.run_yaml(
        FILE + "vars: {who: \"it's\", token: {secret: env:MY_TOKEN}}\njobs:\n  a:\n    env: {T: '{token}'}\n    steps:\n"
        "      - {run: 'echo {who} ${env:OUTSIDE}'}\n"
        "      - {run: 'echo \"$T\" \"$U\"', env: {U: {secret: 'cmd:echo of a step'}}}\n", "-vv", code=0, env=env)
    assert "it's $(echo no); x" in done.stdout
    assert "*** ***" in done.stdout
    assert_nowhere(SECRET, farflung.cwd.parent)
    assert_nowhere("of a step", farflung.cwd.parent, but=["farflung.yaml"])
    farflung.yaml(FILE + "vars: {token: {secret: env:MY_TOKEN}}\njobs: {a: {steps: [{run: 'x {token}'}]}}\n")
    assert "'run' has {token}, a secret" in farflung.run("check", code=2).stderr


def test_tap_text(farflung):
    done = farflung.run_yaml(FILE + "vars: {who: \"it's\"}\njobs:\n"
                             "  a: {tap: 'printf \"1..1\\nok 1 - %s\\n\" {who}'}\n", "-vv", code=0)
    assert "it's" in done.stdout


# --- secrets ---

SECRET_RUN = FILE + """
vars: {token: {secret: env:MY_TOKEN}}
jobs:
  command:
    run: |
      echo "T=$TOKEN F=$FROM_FILE C=$FROM_COMMAND" >&2
      test "$TOKEN" = "$(cat)" && echo it is the same
      cut=${TOKEN%?????}
      printf '<%s' "$cut"; sleep 0.3; printf '%s>\\n' "${TOKEN#"$cut"}"
      tr '\\0' ' ' < /proc/$$/cmdline
    stdin: "{token}"
    env:
      TOKEN: "{token}"
      FROM_FILE: {secret: "file:sub/token.txt"}
      FROM_COMMAND: {secret: "cmd:cat sub/second.txt"}
  unit: {pytest: [tests], env: {TOKEN: "{token}"}}
tree: {source: ., exclude: [sub]}
report: {junit: out/junit.xml}
"""

SECRET_SUITE = """
import os, sys, warnings
TOKEN = os.environ["TOKEN"]

def test_shown(record_property):
    record_property("token", TOKEN)
    print("out", TOKEN)
    print("err", TOKEN, file=sys.stderr)
    warnings.warn("beware of " + TOKEN)
    assert TOKEN == "other", "not " + TOKEN

def test_shown_at_the_end_of_a_worker():
    os.write(2, ("last words: " + TOKEN + "\\n").encode())
    os._exit(3)
"""


def test_secrets_are_nowhere(farflung, tmp_path):
    write(farflung.cwd / "tests" / "test_secret.py", SECRET_SUITE)
    write(farflung.cwd / "sub" / "token.txt", "of-the-file\n")
    write(farflung.cwd / "sub" / "second.txt", "of-the-command\n")
    traces = tmp_path / "traces"
    traces.mkdir()
    env = env_of(farflung, MY_TOKEN=SECRET, FARFLUNG_DEBUG="1", TMPDIR=str(traces))
    farflung.yaml(SECRET_RUN)
    events = tmp_path / "events.jsonl"
    done = farflung.run("run", "-vv", "--jsonl", events, "--junit", "out/j.xml", code=1, env=env)
    assert "it is the same" in done.stdout
    assert "T=*** F=*** C=***" in done.stdout
    assert "<***>" in done.stdout
    assert "out ***" in done.stdout and "err ***" in done.stdout
    assert "beware of ***" in done.stdout
    write(tmp_path / "said" / "stdout", done.stdout)
    write(tmp_path / "said" / "stderr", done.stderr)
    assert list((farflung.cwd / ".farflung" / "runs").iterdir())
    assert any(traces.iterdir()), "nothing was traced"
    for secret, file in ((SECRET, None), ("of-the-file", "token.txt"), ("of-the-command", "second.txt")):
        assert_nowhere(secret, tmp_path, but=[file])


def test_secret_from_the_command_line(farflung, tmp_path):
    farflung.yaml(FILE + "vars: {token: {secret: env:NOT_THERE}}\njobs: {a: {run: 'echo \"$T\"', env: {T: '{token}'}}}\n")
    done = farflung.run("run", "-vv", "-e", "token=" + SECRET, code=0)
    assert "[popen a] ***" in done.stdout
    started = [json.loads(line) for path in everything_under(farflung.cwd) if path.name == "journal.jsonl"
               for line in path.read_text().splitlines() if "run-started" in line]
    assert "token=***" in started[0]["command"]
    assert_nowhere(SECRET, farflung.cwd)


def test_check_has_no_secret_and_looks_for_none(farflung):
    farflung.yaml(FILE + "jobs:\n  a: {run: 'true', env: {T: {secret: 'cmd:touch looked; echo abcdef'}, U: {secret: env:NOT}}}\n")
    done = farflung.run("check", "--explain", code=0)
    assert "jobs.a.env.T" in done.stdout and "***" in done.stdout
    assert not (farflung.cwd / "looked").exists()


@pytest.mark.parametrize("secret, words", [
    ("env:NOT_THERE", "secret env:NOT_THERE: the environment has none of that name"),
    ("file:nowhere", "nowhere: No such file or directory"),
    ("cmd:echo it failed >&2; exit 3", "the command ended with exit status 3"),
    ("cmd:kill -9 $$", "the command ended with signal 9"),
    ("cmd:true", "it is empty"),
    ("cmd:echo abc", "shorter than 4 bytes"),
    ("cmd:printf 'abcd\\000e'", "it is no UTF-8 text"),
    ("cmd:head -c 70000 /dev/zero | tr '\\0' a", "longer than 64 KiB"),
])
def test_no_secret_no_run(farflung, secret, words):
    farflung.yaml(FILE + f"jobs:\n  a:\n    run: touch ran\n    env:\n      T: {{secret: {json.dumps(secret)}}}\n")
    done = farflung.run("run", code=2)
    assert "farflung.yaml:6:19: secret" in done.stderr
    assert words in done.stderr
    assert not (farflung.cwd / "ran").exists()
    assert not (farflung.cwd / ".farflung").exists()


def test_secret_of_a_job_that_does_not_run(farflung):
    farflung.yaml(FILE + "jobs:\n  a: {run: 'true', env: {T: {secret: env:NOT_THERE}}}\n  b: {run: 'true'}\n")
    farflung.run("run", "-j", "b", code=0)


def test_rerun_has_values_and_no_secret(farflung):
    write(farflung.cwd / "tests" / "test_a.py",
          "import os\ndef test_one(): assert os.environ['A'] == 'value'; print(os.environ.get('B'))\n")
    farflung.yaml(FILE + "vars: {one: one, v: value, token: {secret: env:MY_TOKEN}}\njobs:\n"
                  "  unit: {pytest: [tests, -k, '{one}'], env: {A: '{v}', B: '{token}', C: {secret: env:MY_TOKEN}}}\n")
    env = env_of(farflung, MY_TOKEN="a secret")
    started = read_jsonl_of(farflung, env)
    assert [event["args"] for event in started if event["event"] == "job-added"] == [["tests", "-k", "one"]]
    worker = [event["worker"] for event in started if event["event"] == "unit-finished"][0]
    done = farflung.run("rerun", "last", "--worker", worker, code=0, env=env)
    assert "B is a secret, and is not set" in done.stderr and "C is a secret" in done.stderr
    assert "1 passed" in done.stdout


def test_failed_ones_again_with_values(farflung):
    """What the command line gave holds for what goes on with the run, and another value is a change."""
    farflung.yaml(FILE + "vars: {code: , other: x, token: {secret: env:NOT_THERE}}\njobs:\n"
                  "  a: {run: 'echo ran {code}; exit {code}'}\n  b: {run: 'true'}\n"
                  "  c: {run: 'test \"$T\" = \"given here\"', env: {T: '{token}'}}\n")
    farflung.run("run", "-e", "code=3", "-e", "token=given here", code=1)
    done = farflung.run("rerun", "last", "--failed", code=2)
    assert "what -e gave an earlier run is not kept: give it again" in done.stderr
    done = farflung.run("rerun", "last", "--failed", "-vv", "-e", "token=given here", code=1)
    assert "ran 3" in done.stdout
    done = farflung.run("rerun", "last", "--failed", "-vv", "-e", "token=given here", "-e", "code=0", code=0)
    assert "ran 0" in done.stdout
    assert "a" in done.stderr and "changed" in done.stderr
    assert_nowhere("given here", farflung.cwd, but=["farflung.yaml"])


def read_jsonl_of(farflung, env):
    done = farflung.run("run", "--jsonl", "-", code=0, env=env)
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- files that belong together ---


def test_parts(farflung, tmp_path):
    write(farflung.cwd / "common" / "base.yaml",
          "include: [../more.yaml]\nvars: {who: base}\nsettings: {maxfail: 3, grace: 1s}\n"
          "tree: {source: tree}\njobs:\n  build: {run: 'cat name.txt; echo {who}', env: {A: base, B: base}}\n")
    write(farflung.cwd / "common" / "tree" / "name.txt", "the tree\n")
    write(farflung.cwd / "more.yaml", "inventory: [popen]\njobs: {more: {run: echo more}}\n")
    farflung.yaml("include: common/base.yaml\nsettings: {maxfail: 1}\nvars: {who: us}\n"
                  "jobs: {build: {env: {B: own}, retries: 1}}\n")
    done = farflung.run("run", "-vv", code=0)
    assert "the tree" in done.stdout and "[popen build] us" in done.stdout and "more" in done.stdout
    done = farflung.run("check", "--explain", code=0)
    where = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert where["settings.maxfail"] == ["1", "farflung.yaml:2:21"]
    assert where["settings.grace"] == ["1s", "common/base.yaml:3:31"]
    assert where["jobs.build.env.A"] == ["base", "common/base.yaml:6:53"]
    assert where["jobs.build.env.B"] == ["own", "farflung.yaml:4:25"]
    assert where["inventory"] == ["[popen]", "common/../more.yaml:1:12"]
    assert where["settings.heartbeat"] == ["5s", "default"]


def test_hosts_of_a_profile(farflung):
    farflung.yaml("vars: {must: }\ninventory: [{spec: popen, name: a}]\n"
                  "profiles: {p: {inventory: [{spec: popen, name: b}]}}\njobs: {a: {run: x}}\n")
    done = farflung.run("hosts", "--profile", "p", "-e", "must=1", code=0)
    assert done.stdout.startswith("b ")


def test_profiles_and_overrides(farflung):
    farflung.yaml(FILE + """
vars: {mode: plain}
jobs:
  unit-a: {run: 'echo "{mode} $A"', env: {A: x}}
  unit-b: {run: 'echo "{mode} $A"', env: {A: x}, retries: 0}
  other: {run: 'echo "{mode} $A"'}
overrides:
  "unit-[ab]": {env: {A: over}}
profiles:
  ci: {vars: {mode: of ci}, overrides: {"unit-b": {env: {A: ci}, retries: 3}}}
  slow: {vars: {mode: slow}}
""")
    done = farflung.run("run", "-vv", code=0)
    assert sorted(line for line in done.stdout.splitlines() if "] plain" in line) == [
        "[popen other] plain ", "[popen unit-a] plain over", "[popen unit-b] plain over"]
    done = farflung.run("run", "-vv", "--profile", "slow", "--profile", "ci", code=0)
    assert "[popen unit-a] of ci over" in done.stdout and "[popen unit-b] of ci ci" in done.stdout
    done = farflung.run("check", "--explain", "--profile", "ci", code=0)
    assert [line.split() for line in done.stdout.splitlines() if line.startswith("jobs.unit-b.retries")] == [
        ["jobs.unit-b.retries", "3", "farflung.yaml:11:75", "(profile", "ci)"]]


def test_hidden_keys(farflung):
    done = farflung.run_yaml(FILE + "x-any: {thing: [1]}\n.t: 5\njobs:\n  .base: &base {run: echo base, x-note: why}\n"
                             "  x-more: &more {retries: 1}\n  real: {<<: [*base, *more]}\n", code=0)
    assert [event["job"] for event in done.events if event["event"] == "unit-finished"] == ["real"] or \
        "1 passed" in done.stdout
    done = farflung.run("check", code=0)
    assert "1 job" in done.stdout and ".base" not in done.stdout and "x-more" not in done.stdout


PARTS = [
    ("itself", "include: farflung.yaml\n", {}, "farflung.yaml:1:10: files include each other: farflung.yaml -> farflung.yaml"),
    ("in a ring", "include: a.yaml\n", {"a.yaml": "x-a: 1\ninclude: [b.yaml]\n", "b.yaml": "include: ./a.yaml\n"},
     "b.yaml:1:10: files include each other: a.yaml -> b.yaml -> a.yaml"),
    ("not there", "include: [a.yaml]\n", {}, "farflung.yaml:1:11: 'a.yaml' can't be included: No such file or directory"),
    ("a folder", "include: /\n", {}, "farflung.yaml:1:10: '/' can't be included: it is no file"),
    ("a device", "include: /dev/zero\n", {}, "farflung.yaml:1:10: '/dev/zero' can't be included: it is no file"),
    ("no path", "include: [{a: b}]\n", {}, "farflung.yaml:1:11: 'include' wants paths of files"),
    ("key", "include: a.yaml\n", {"a.yaml": "\njobs:\n  a: {rnu: x}\n"}, "a.yaml:3:7: unknown key 'rnu'; did you mean 'run'?"),
    ("syntax", "include: a.yaml\n", {"a.yaml": "jobs: [\n"}, "a.yaml:2:1: did not find"),
    ("tag", "include: a.yaml\n", {"a.yaml": "jobs: !!python/none {}\n"}, "a.yaml:1:7: tags are not supported: '!!python/none'"),
    ("a list", "include: a.yaml\n", {"a.yaml": "- b\n"}, "a.yaml:1:1: the file wants a mapping"),
    ("duplicate", "include: a.yaml\n", {"a.yaml": "a: 1\na: 2\n"}, "a.yaml:2:1: duplicate key 'a' (first at 1:1)"),
    ("unused profile", "profiles: {ci: {settings: {maxfial: 1}}}\n" + FILE + "jobs: {a: {run: x}}\n", {},
     "farflung.yaml:1:28: unknown key 'maxfial'; did you mean 'maxfail'?"),
    ("profile of a list", "profiles: {ci: [a]}\n", {}, "farflung.yaml:1:16: profile 'ci' wants a mapping"),
    ("include in a profile", "profiles: {ci: {include: a}}\n", {}, "farflung.yaml:1:17: 'include' can't stand in a profile"),
    ("override of nobody", FILE + "jobs: {unit: {run: x}}\noverrides: {untt: {retries: 1}}\n", {},
     "farflung.yaml:3:13: override 'untt' matches no job; did you mean 'unit'?"),
    ("override of text", FILE + "jobs: {unit: {run: x}}\noverrides: {unit: 1}\n", {},
     "farflung.yaml:3:19: override 'unit' wants a mapping of keys of jobs"),
    ("override's key", FILE + "jobs: {unit: {run: x}}\noverrides: {unit: {retires: 1}}\n", {},
     "farflung.yaml:3:20: unknown key 'retires'; did you mean 'retries'?"),
]


@pytest.mark.parametrize("text, files, words", [case[1:] for case in PARTS], ids=[case[0] for case in PARTS])
def test_bad_parts(farflung, text, files, words):
    farflung.yaml(text)
    for name, content in files.items():
        write(farflung.cwd / name, content)
    done = farflung.run("check", code=2)
    assert words in done.stderr


def test_example(farflung):
    path = write(farflung.cwd / "vars.yaml", (TOP / "configs" / "vars.yaml").read_text())
    farflung.run("check", path, code=0)
    done = farflung.run("run", "-vv", "-e", "name=a world", "--profile", "thorough", path, code=0)
    assert "hello, a world and it's you" in done.stdout and "hello, a world and $HOME" in done.stdout
    assert "asked with ***" in done.stdout and "4 slots" in done.stdout
    assert "jobs.ask.timeout                 5m" in farflung.run(
        "check", "--explain", "--profile", "thorough", path, code=0).stdout


# --- where the file comes from ---


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_standard_input(farflung, name, kind, tmp_path):
    text = "include: part.yaml\ntree: {source: .}\njobs: {a: {run: 'cat && echo {who}'}}\n"
    write(farflung.cwd / "part.yaml", FILE + "vars: {who: part}\n")
    path = write(tmp_path / "input.yaml", text)
    for command in (["check"], ["run", "-vv"]):
        with open(path, encoding="utf-8") as file:
            if kind == "file":
                done = farflung.run(*command, name, code=0, stdin=file)
            else:
                with subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE, env=farflung.env) as cat:
                    done = farflung.run(*command, name, code=0, stdin=cat.stdout)
    assert "[popen a] part" in done.stdout


TAGGED = ["!foo", "!!python/object:os.system", "!!binary", "!!int", "!<tag:example.org,2000:x>"]
PLACES = {
    "the file": "TAG {}",
    "a mapping": "settings: TAG {}",
    "a list": "inventory: TAG [popen]",
    "an element": "inventory: [TAG popen]",
    "a text": "jobs: {a: {run: TAG x}}",
    "a key": "jobs: {TAG a: {run: x}}",
    "nothing": "settings: TAG",
    "a hidden key's value": "x-a: TAG b",
    "a template": "jobs: {.a: TAG {run: x}}",
    "what is merged": "x-a: &a {<<: TAG {run: x}}",
    "behind an anchor": "x-a: &a TAG b",
    "a block text": "x-a: TAG |\n  text",
}


@pytest.mark.parametrize("place", PLACES, ids=list(PLACES))
@pytest.mark.parametrize("tag", TAGGED)
def test_tags_are_refused(farflung, tag, place):
    text = PLACES[place].replace("TAG", tag) + "\n"
    farflung.yaml(text)
    done = farflung.run("check", code=2)
    column = PLACES[place].index("TAG") + 1
    # libyaml counts a node from its anchor.
    column -= len("&a ") if place == "behind an anchor" else 0
    assert f"farflung.yaml:1:{column}: tags are not supported: '" in done.stderr, done.stderr


def test_bombs(farflung):
    lines = ["x-a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"x-a{i}: &a{i} [{', '.join(['*a%d' % (i - 1)] * 10)}]" for i in range(1, 12)]
    farflung.yaml("\n".join(lines) + "\n")
    assert "too many values" in farflung.run("check", code=2, timeout=30).stderr
    # Anchors in ever deeper mappings, laid over each other.
    deep = ["x-b0: &b0 {a: 1}"]
    deep += [f"x-b{i}: &b{i} {'{a: ' * 28}*b{i - 1}{'}' * 28}" for i in range(1, 350)]
    farflung.yaml("\n".join(deep) + "\nvars: *b349\nprofiles: {p: {vars: *b349}}\n" + FILE + "jobs: {a: {run: x}}\n")
    done = farflung.run("check", "--explain", "--profile", "p", code=2, timeout=60)
    assert "variable 'a' wants text" in done.stderr


# --- secrets of hosts ---

HOSTS = """version: 1
inventory:
  defaults: {env: {ALL: {secret: env:MY_TOKEN}}}
  hosts:
    - {spec: popen, name: a, slots: 1, chdir: box, env: {ONE: {secret: 'file:token.txt'}, PLAIN: "${env:WORD}"}}
    - {spec: popen, name: b, chdir: box, env: {ONE: {secret: env:NOT_THERE}}}
"""


@pytest.fixture
def secret_hosts(farflung):
    write(farflung.cwd / "token.txt", "of-the-file\n")
    return env_of(farflung, MY_TOKEN=SECRET, WORD="a-word")


def test_secrets_of_a_host(farflung, tmp_path, secret_hosts):
    """What runs there has them, commands and tests; nowhere else is one, whatever prints it."""
    write(farflung.cwd / "tests" / "test_it.py",
          "import os\ndef test():\n    print(os.environ['ALL'], os.environ['ONE'])\n"
          "    assert os.environ['PLAIN'] == 'a-word' and len(os.environ['ONE']) == 11\n    assert 0, os.environ['ALL']\n")
    farflung.yaml(HOSTS + "jobs:\n  a: {run: 'echo \"$ALL $ONE $PLAIN\" | tee log; test ${#ONE} = 11', artifacts: nothing}\n"
                  "  t: {pytest: [-p, 'no:cacheprovider', ../tests]}\nreport: {junit: j.xml, results: results}\n")
    done = farflung.run("run", "-vv", "--on", "a", code=1, env=secret_hosts)
    assert "*** *** a-word" in done.stdout
    assert "1 failed" in done.stdout and "1 passed" in done.stdout
    (farflung.cwd / "box/log").unlink()
    farflung.run("replay", code=1)
    farflung.run("check", "--explain", code=0, env=secret_hosts)
    for secret in SECRET, "of-the-file":
        assert secret not in done.stdout + done.stderr
        assert_nowhere(secret, tmp_path, but=["token.txt"])


def test_secrets_of_hosts_for_single_commands(farflung, secret_hosts):
    farflung.yaml(HOSTS)
    done = farflung.run("exec", "--on", "a", "--", 'test ${#ONE} = 11 && echo "$ALL $ONE"', code=0, env=secret_hosts)
    assert done.stdout == "a:\n*** ***\n"
    farflung.run("hosts", "--on", "a", code=0, env=secret_hosts)
    (farflung.cwd / "box/f").touch()
    farflung.run("fetch", "--on", "a", "f", "to", code=0, env=secret_hosts)
    write(farflung.cwd / "src/x", "x")
    farflung.run("sync", "--on", "a", "src", "there", code=0, env=secret_hosts)


@pytest.mark.parametrize("words", [["run"], ["exec", "--", "true"], ["hosts"], ["sync", "token.txt", "x"], ["fetch", "x", "y"]])
def test_no_secret_of_a_host_nothing_runs(farflung, secret_hosts, words):
    """With its place; only of hosts that are meant."""
    farflung.yaml(HOSTS + "jobs: {a: {run: 'touch ../ran'}}\n")
    done = farflung.run(*words, code=2, env=secret_hosts)
    assert "farflung.yaml:6:" in done.stderr and "secret env:NOT_THERE: the environment has none of that name" in done.stderr
    assert not (farflung.cwd / "ran").exists() and not (farflung.cwd / "box").exists()


def test_a_program_of_hosts_has_no_secrets_of_ours(farflung):
    write(farflung.cwd / "hosts.json", '{"hosts": [{"spec": "popen", "env": {"A": {"secret": "file:/etc/hostname"}}}]}')
    farflung.yaml("version: 1\ninventory: {cmd: cat hosts.json}\njobs: {a: {run: 'true'}}\n")
    done = farflung.run("run", code=2)
    assert "environment variable 'A': secrets are for the file itself" in done.stderr
