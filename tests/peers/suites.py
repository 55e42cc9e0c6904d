#!/usr/bin/python3
"""execnet's own test suite, with our workers at the far side of its gateways.

usage: suites.py WORKER [python | native …]       (./setup peers)

The suite comes with execnet's sources from PyPI. Its outcomes with execnet alone are what those with
our workers are compared to; each test that ends otherwise has to be in the table below, with a reason.
"""
import collections
import fnmatch
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
EXECNET = "2.1.2"
SUITE_S = 900
# What those two add are greenlets on execnet's own side; our python worker's are in conform/popen_*.
CHOICE = "not eventlet and not gevent"

# By peer: how "test: first line of what failed" begins, as a pattern, and why. The first that fits counts.
REASONS = {
    "python": [
        ("*test_channel_passing_over_channel*", "looks into execnet's own Gateway._channelfactory at the far side"),
        ("*test_remoteerror_readable_traceback*", "wants the file name gateway_base in the text of an error"),
        ("*test_popen_filetracing", "wants execnet's words in the trace; ours are others"),
        ("*test_popen_stderr_tracing", "wants execnet's words in the trace; ours are others"),
        ("*test__rinfo*", "does not wait for the chdir that it has started: our worker answers sooner"),
        ("*test_gateway_status_busy*", "execnet's own mark: timing"),
        ("*test_popen_nice", "marked as failing by execnet; works"),
        ("*test_waitclose_on_remote_killed", "fails at times with execnet alone"),
    ],
    "native": [
        ("*: *this is a native worker", "sends Python source: refused in words, as it must be"),
    ],
}


def fetch(folder, version=EXECNET):
    """execnet's sources; the folder that they are in."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "execnet",
         "--dest", folder, "execnet==" + version],
        check=True,
    )  # fmt: skip
    with tarfile.open(os.path.join(folder, "execnet-%s.tar.gz" % version)) as archive:
        archive.extractall(folder, filter="data")
    return os.path.join(folder, "execnet-" + version)


def run_with(python, module_plugin, suite, outcomes, path=(), **more):
    """Runs the suite by this interpreter, with a plugin loaded before all else that puts something of
    ours in execnet's place. Returns {test: (outcome, first line of what failed)}."""
    env = dict(os.environ, FF_OUTCOMES=outcomes, PYTHONDONTWRITEBYTECODE="1", **more)
    env["PYTHONPATH"] = os.pathsep.join([HERE, *path, os.path.join(suite, "src")])
    if os.path.exists(outcomes):
        os.unlink(outcomes)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", module_plugin,
         "-k", CHOICE, "--tb=line", "testing"],
        cwd=suite, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SUITE_S,
    )  # fmt: skip
    if done.returncode not in (0, 1) or not os.path.exists(outcomes):
        sys.exit("the suite did not run to its end:\n" + done.stdout.decode(errors="replace")[-3000:])
    with open(outcomes) as file:
        return {name: tuple(value) for name, value in json.load(file).items()}


def compare(name, alone, ours, reasons):
    """Prints the rows of one run; returns how many differ without a reason."""
    differing = [one for one in alone if ours.get(one, ("not run",))[0] != alone[one][0]]
    why = collections.Counter()
    unknown = []
    for one in differing:
        test = re.sub(r"^testing/", "", one)
        words = "%s: %s" % (test, ours.get(one, ("", ""))[1])
        found = [text for pattern, text in reasons if fnmatch.fnmatchcase(words, pattern + "*")]
        why[found[0] if found else "NOT EXPLAINED"] += 1
        if not found:
            unknown.append("%s: %s, was %s %s" % ((test,) + (ours.get(one, ("not run", "")))[:1] + (alone[one][0], ours.get(one, ("", ""))[1][:120])))
    print("%-28s %6d %6d  %9d" % (name, len(alone), len(alone) - len(differing), len(differing)))
    for text, count in why.most_common():
        print("    %4d  %s" % (count, text))
    for line in unknown:
        print("          " + line)
    return len(unknown)


def main():
    worker, peers = os.path.abspath(sys.argv[1]), sys.argv[2:] or ["python", "native"]
    with tempfile.TemporaryDirectory() as folder:
        suite = os.environ.get("FF_EXECNET_SOURCES") or fetch(folder)
        outcomes = os.path.join(folder, "outcomes")
        print("%-28s %6s %6s  %9s" % ("execnet %s, far side" % EXECNET, "tests", "same", "differing"))
        alone = run_with(sys.executable, "far_side", suite, outcomes)
        unknown = 0
        for peer in peers:
            ours = run_with(sys.executable, "far_side", suite, outcomes, FF_PEER=peer, FF_WORKER=worker)
            unknown += compare(peer + " worker", alone, ours, REASONS[peer])
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
