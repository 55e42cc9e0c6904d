#!/usr/bin/env python3
"""pytest's plugins under `pytest -n 2` (pytest-xdist) and under `farflung pytest -n 2`, in one run.

    tests/matrix/plugins.py [NAME…]      all of plugin_cases.py and conftest_cases.py, or those of these names

Compares the outcomes per test in JUnit, the exit status, the totals of the last line, the files that the plugin leaves
and what the terminal says of it. What differs is in KNOWN, with the kinds of differences and their reason; the run fails
if anything else differs, and also if something there doesn't any more. A good run writes its rows to plugins/pytest/PLUGINS.md.
"""
import concurrent.futures
import contextlib
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from environments import (
    FARFLUNG, HOME, JOBS, TOP, UNREACHABLE, Environment, clean_env, make_all, obey_signals, run, say, table,
)  # fmt: skip
from conftest_cases import VARIANTS
from plugin_cases import CASES, exists

sys.path.insert(0, str(TOP / "tests" / "fakes"))
from sshd import Sshd, available  # noqa: E402

BASE = Environment("plugins", ["3.12", "3.13", "3.11"], ["pytest==8.4.*", "pytest-xdist==3.8.*"])
LIMIT = 120  # s, of one run
PAGE = TOP / "plugins" / "pytest" / "PLUGINS.md"

ALL = CASES + VARIANTS
# name: (kinds of differences, reason)
OWN_ERROR = {"junit"}, "xdist's JUnit has no word of why it exits so, ours has an error of the job itself"
EACH_RERUN = {"junit"}, "xdist's JUnit has a passed test case for each failure before the last, ours flakyFailure or rerunFailure"
KNOWN = {
    **dict.fromkeys(["cov-fail-under", "conftest-exitstatus", "conftest-raises"], OWN_ERROR),
    "conftest-crash": ({"junit"}, "xdist's JUnit has a test case without a name for the crash, ours has it with its test"),
    "github-actions-annotate-failures": ({"terminal"}, "farflung writes such lines itself there, for errors of set-up, too, and nobody else's"),
    "timeout-thread": ({"totals"}, "ours counts it as crashed, since it ends the whole worker, xdist as failed"),
    "forked": ({"junit"}, "xdist's JUnit has an error for the killed test, its terminal a failure, ours in both a failure"),
    **dict.fromkeys(["rerunfailures", "rerunfailures-ssh"], EACH_RERUN),
}


def install(case):
    """Brings a case's packages into a folder of their own, with the base's versions of what both have."""
    if not case.packages:
        return HOME
    folder = HOME / "packages" / "+".join(case.packages)
    stamp = folder / "made-of"
    wanted = BASE.python + "\n" + "\n".join(case.packages + BASE.packages)
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    say(f"installing {' '.join(case.packages)}")
    command = [
        BASE.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--target", str(folder),
        *case.packages, *BASE.packages[:1],
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        say(f"{case.name}: pip could not install {' '.join(case.packages)}\n{done.stdout[-1500:]}")
        say("nothing is compared without it (exit 3)")
        sys.exit(UNREACHABLE)
    stamp.write_text(wanted)
    return folder


def version(case, folder):
    """The case's first package and its version."""
    if not case.packages:
        return "(a conftest.py)"
    wanted = case.packages[0].lower().replace("-", "_")
    for path in folder.glob("*.dist-info"):
        name, _, number = path.name[: -len(".dist-info")].rpartition("-")
        if name.lower().replace("-", "_") == wanted:
            return f"{case.packages[0]} {number}"
    return f"{case.packages[0]} ?"


TOTALS = r"\b(\d+) (passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?|rerun|retried|subtests passed)\b"


class Result:
    """What one run of a case gave, in values that can be compared."""

    def __init__(self, case, place, code, out, err, junit):
        self.exit = code
        self.outcomes = outcomes_of(junit)
        last = [line for line in out.splitlines() if re.search(r" in \d+\.\d+s\b", line)][-1:]
        self.totals = sorted(f"{count} {word}" for count, word in re.findall(TOTALS, "".join(last)))
        self.files = {pattern: read_all(place, pattern, read) for pattern, read in case.leaves.items()}
        self.says = {p: sorted(set(re.findall(p, out + err, re.MULTILINE))) for p in case.says}
        (place.parent / f"{place.name}.log").write_text(f"exit {code}\n{out}\n--- stderr\n{err}")


def outcomes_of(path):
    """test -> sorted outcomes of its testcases (a failed call and a failed teardown are two)."""
    if not path.exists():
        return {}
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        tags = [child.tag for child in case if child.tag in ("failure", "error", "skipped")] or ["passed"]
        found.setdefault(f"{case.get('classname')}::{case.get('name')}", []).extend(tags)
    return {name: sorted(tags) for name, tags in found.items()}


def read_all(place, pattern, read):
    found = []
    for path in sorted(place.glob(pattern)):
        try:
            found.append(read("" if read is exists else path.read_text(errors="replace")))
        except Exception as exc:
            found.append(f"unreadable: {exc!r}")
    return sorted(found, key=repr)


def run_case(case, folder, ours):
    place = HOME / "plugins" / case.name / ("farflung" if ours else "xdist")
    shutil.rmtree(place, ignore_errors=True)
    for name, text in case.files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    junit = place.parent / f"{place.name}.xml"
    if junit.exists():
        junit.unlink()
    env = clean_env(PYTHONPATH=str(folder), **case.env)
    with contextlib.ExitStack() as stack:
        if ours and case.ssh:
            # The front's interpreter is the first that has pytest.
            env["PATH"] = os.pathsep.join([os.path.dirname(BASE.python), env["PATH"]])
            command = [FARFLUNG, "pytest", *two_hosts(stack, case, place.parent, folder), "--junit", junit, "--", *case.args]
        elif ours:
            command = [FARFLUNG, "pytest", "-n", "2", "--python", BASE.python, "--junit", junit, "--", *case.args]
        else:
            command = [BASE.python, "-m", "pytest", "-n", "2", f"--junitxml={junit}", *case.args]
        return Result(case, place, *run(command, place, env, LIMIT), junit)


def two_hosts(stack, case, place, folder):
    """Options for two hosts by way of an sshd of ours, to which the working directory is brought."""
    remote = place / "remote"
    shutil.rmtree(remote, ignore_errors=True)
    (remote / "tmp").mkdir(parents=True)
    server = stack.enter_context(Sshd([f"SetEnv XDG_CACHE_HOME={remote / 'cache'} TMPDIR={remote / 'tmp'} PYTHONDONTWRITEBYTECODE=1"]))
    settings = "".join(f"//env:{name}={value}" for name, value in {"PYTHONPATH": folder, **case.env}.items())
    specs = [f"ssh={server.words}//chdir={remote / name}//python={BASE.python}{settings}" for name in ("one", "two")]
    return [*(word for spec in specs for word in ("--tx", spec)), "--rsyncdir", "."]


def differences(theirs, ours):
    """kind -> what differs, in words: theirs, then ours."""
    found = {}
    if theirs.exit != ours.exit:
        found["exit"] = f"exit {theirs.exit} | {ours.exit}"
    names = [n for n in sorted({*theirs.outcomes, *ours.outcomes}) if theirs.outcomes.get(n) != ours.outcomes.get(n)]
    if names:
        what = [f"{n} {short(theirs.outcomes.get(n))} | {short(ours.outcomes.get(n))}" for n in names]
        found["junit"] = "; ".join(what[:3]) + (f"; and {len(what) - 3} more" if len(what) > 3 else "")
    if theirs.totals != ours.totals:
        found["totals"] = f"{', '.join(theirs.totals)} | {', '.join(ours.totals)}"
    for kind, a, b in (("files", theirs.files, ours.files), ("terminal", theirs.says, ours.says)):
        what = [f"{key} {short(a[key])} | {short(b[key])}" for key in a if a[key] != b[key]]
        if what:
            found[kind] = "; ".join(what)
    return found


def short(value):
    text = "nothing" if not value else "+".join(value) if all(isinstance(v, str) for v in value) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def judge(case, theirs, found):
    """(what the table says of ours, whether that is as it should be)"""
    if not theirs.outcomes:
        return f"not compared: nothing ran under xdist (exit {theirs.exit})", False
    seen = {**theirs.files, **theirs.says}
    vacuous = [pattern for pattern in seen if any(seen[pattern]) == (pattern in case.none)]
    if vacuous:
        return f"not compared: under xdist {', '.join(vacuous)} is not as expected", False
    kinds, reason = KNOWN.get(case.name, ((), ""))
    if set(found) == set(kinds):
        return (f"{', '.join(sorted(found))} alone: {reason}" if found else "the same"), True
    gone = sorted(set(kinds) - set(found))
    new = sorted(set(found) - set(kinds))
    words = [f"differs: {', '.join(new)}, which is not in KNOWN"] if new else []
    words += [f"{', '.join(gone)} in KNOWN is equal now: take it out"] if gone else []
    return "; ".join(words), False


def compare(case):
    folder = install(case)
    theirs, ours = run_case(case, folder, False), run_case(case, folder, True)
    found = differences(theirs, ours)
    text, good = judge(case, theirs, found)
    counts = sum(len(v) for v in theirs.outcomes.values())
    return case.name, version(case, folder), f"{counts} outcomes, exit {theirs.exit}", text, found, good


def page(rows):
    versions = BASE.versions()
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "pytest", "pytest-xdist"))
    lines = [
        "# pytest's plugins, here and under pytest-xdist",
        "",
        "Made by `./setup matrix plugins`, which runs a small suite with each plugin by `pytest -n 2` and by",
        "`farflung pytest -n 2`, and compares the outcome of each test in JUnit, the exit status, the totals of the last",
        f"line, the files that are left and what the terminal says of the plugin. With {named}.",
        "“junit alone”: all but that file is the same.",
        "Where a case ends in -ssh, ours ran on two hosts, each with a folder of its own, and xdist here.",
        "",
        "| case | plugin | under xdist | here |",
        "|---|---|---|---|",
    ]
    known = {}
    if PAGE.exists():  # what was not compared this time stays as it was
        known = {line.split(" | ")[0][2:]: line for line in PAGE.read_text().splitlines() if line.startswith("| ")}
    for row in rows:
        known[row[0]] = "| " + " | ".join(str(c).replace("|", "/") for c in row[:4]) + " |"
    return "\n".join(lines + [known[case.name] for case in ALL if case.name in known]) + "\n"


def main(names):
    cases = [case for case in ALL if not names or case.name in names]
    if not cases or len(cases) < len(set(names)):
        say("known are: " + " ".join(case.name for case in ALL))
        return 2
    if any(case.ssh for case in cases) and not available():
        say("there is no sshd, ssh or ssh-keygen here")
        return UNREACHABLE
    make_all([BASE])
    seen = set()
    for case in cases:  # one after another: cases may share a folder
        if tuple(case.packages) not in seen:
            seen.add(tuple(case.packages))
            install(case)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        rows = list(pool.map(compare, cases))
    print(table(["case", "plugin", "under xdist", "here"], [row[:4] for row in rows]))
    for name, _, _, _, found, _ in rows:
        for kind, what in found.items():
            print(f"{name}: {kind}: {what}")
    bad = [row[0] for row in rows if not row[5]]
    if not bad:
        PAGE.write_text(page(rows))
    same = sum(row[3] == "the same" for row in rows)
    differ = len(rows) - same - len(bad)
    say(f"{len(rows)} cases: {same} the same, {differ} differ as known, {len(bad)} wrong {' '.join(bad)}".rstrip())
    return 1 if bad else 0


if __name__ == "__main__":
    obey_signals()
    sys.exit(main(sys.argv[1:]))
