"""Bad configuration files, with the exact messages that they get.

Each case: a name, the text of demo.yaml (None: there is no such file), further arguments behind
`check demo.yaml` or `run demo.yaml`, and the lines of the message. All of them exit 2 and start
nothing. A line that ends in "*" is compared up to there (the system's or a library's words).
"""
from typing import List, NamedTuple, Optional


class Case(NamedTuple):
    name: str
    text: Optional[str]
    messages: List[str]
    args: List[str] = []
    exit_code: int = 2


# A file that is right; cases add to it or replace parts.
HOSTS = "inventory: [popen]\n"
JOBS = "jobs:\n  unit: {run: 'true'}\n"


def job(text: str) -> str:
    """Hosts and one job of these keys; its line is the 3rd, its first key in column 10."""
    return HOSTS + "jobs:\n  unit: {" + text + "}\n"


def host(text: str) -> str:
    """One host, which begins in line 2, column 5, and a job."""
    return "inventory:\n  - " + text + "\n" + JOBS


CASES = [
    # --- files and syntax ---
    Case("no file", None, ["demo.yaml: No such file or directory"]),
    Case("empty file", "", ["demo.yaml: the inventory has no hosts"]),
    Case("only comments", "# nothing\n", ["demo.yaml: the inventory has no hosts"]),
    Case("a text", "hello\n", ["demo.yaml:1:1: the file wants a mapping of keys to values"]),
    Case("a list", "- a\n", ["demo.yaml:1:1: the file wants a mapping of keys to values"]),
    Case("unclosed list", "inventory: [popen\njobs: {}\n", ["demo.yaml:2:5: did not find expected*"]),
    Case("unclosed quote", 'inventory: ["popen]\n',
         ["demo.yaml:2:1: found unexpected end of stream while scanning a quoted scalar"]),
    Case("tab", "jobs:\n\tunit: 1\n",
         ["demo.yaml:2:1: a tab, where YAML wants spaces: indent with spaces only"]),
    Case("tab behind spaces", "jobs:\n  a:\n    run: x\n  \tretries: 1\n",
         ["demo.yaml:4:3: a tab, where YAML wants spaces: indent with spaces only"]),
    Case("tab in a block text", "jobs:\n  a:\n    run: |\n\tmake\n",
         ["demo.yaml:4:1: a tab, where YAML wants spaces: indent with spaces only"]),
    Case("tag of a language", HOSTS + "jobs: {a: {run: !!python/object/apply:os.system [x]}}\n",
         ["demo.yaml:2:17: tags are not supported: '!!python/object/apply:os.system'"]),
    Case("tag of our own", "inventory: !hosts [popen]\n" + JOBS,
         ["demo.yaml:1:12: tags are not supported: '!hosts'"]),
    Case("bad indentation", "jobs:\n  a: {run: x}\n b: {run: x}\n",
         ["demo.yaml:3:2: did not find expected key while parsing a block mapping"]),
    Case("not UTF-8", "jobs:\n  \udcff: 1\n", ["demo.yaml:2:3: invalid leading UTF-8 octet"]),
    Case("control character", "jobs: \x01\n",
         ["demo.yaml:1:7: control characters are not allowed"]),
    Case("NUL character", HOSTS + 'jobs: {unit: {run: "a\\0b"}}\n',
         ["demo.yaml:2:20: text with a NUL character"]),
    Case("two documents", HOSTS + "---\n" + JOBS, ["demo.yaml:2:1: a second document"]),
    Case("unknown anchor", "inventory: *hosts\n", ["demo.yaml:1:12: unknown anchor 'hosts'"]),
    Case("anchor within itself", "jobs: &a\n  unit: *a\n", ["demo.yaml:2:9: unknown anchor 'a'"]),
    Case("aliases without end",
         "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
             f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi")),
         ["demo.yaml:7:38: too many values, counting those that aliases repeat"]),
    Case("deep nesting", "a: " + "[" * 40 + "]" * 40 + "\n", ["demo.yaml:1:35: nested too deeply"]),
    Case("key that is a list", HOSTS + "jobs: {[a]: 1}\n", ["demo.yaml:2:8: a key must be text"]),
    Case("duplicate key", HOSTS + JOBS + "inventory: [popen]\n",
         ["demo.yaml:4:1: duplicate key 'inventory' (first at 1:1)"]),
    Case("duplicate job", HOSTS + "jobs:\n  a: {run: x}\n  b: {run: x}\n  a: {run: y}\n",
         ["demo.yaml:5:3: duplicate key 'a' (first at 3:3)"]),
    Case("merge of a text", HOSTS + "jobs:\n  unit: {<<: x, run: y}\n",
         ["demo.yaml:3:14: '<<' wants a mapping or a list of mappings"]),

    # --- keys ---
    Case("unknown top key", HOSTS + "jobz: {}\n",
         ["demo.yaml:2:1: unknown key 'jobz'; did you mean 'jobs'?"]),
    Case("unknown key without a near one", HOSTS + "colour: red\n",
         ["demo.yaml:2:1: unknown key 'colour'"]),
    Case("unknown host key", host("{spec: popen, slot: 3}"),
         ["demo.yaml:2:19: unknown key 'slot'; did you mean 'slots'?"]),
    Case("unknown defaults key",
         "inventory:\n  defaults: {chdri: x}\n  hosts: [popen]\n" + JOBS,
         ["demo.yaml:2:14: unknown key 'chdri'; did you mean 'chdir'?"]),
    Case("unknown job key", job("run: x, timout: 3"),
         ["demo.yaml:3:18: unknown key 'timout'; did you mean 'timeout'?"]),
    Case("unknown tree key", HOSTS + JOBS + "tree: {source: ., exlude: x}\n",
         ["demo.yaml:4:19: unknown key 'exlude'; did you mean 'exclude'?"]),
    Case("unknown report key", HOSTS + JOBS + "report: {junit_xml: x}\n",
         ["demo.yaml:4:10: unknown key 'junit_xml'"]),
    Case("unknown setting", HOSTS + JOBS + "settings: {hartbeat: 3}\n",
         ["demo.yaml:4:12: unknown key 'hartbeat'; did you mean 'heartbeat'?"]),
    Case("several at once", HOSTS + "jobs:\n  a: {run: x, retries: -1}\n  b: {rnu: x}\nversion: 2\n",
         ["demo.yaml:3:24: 'retries' wants a number from 0 to 100, got '-1'",
          "demo.yaml:4:3: job 'b' has none of 'pytest', 'run', 'ctest', 'gtest', 'tap' and 'steps'",
          "demo.yaml:4:7: unknown key 'rnu'; did you mean 'run'?",
          "demo.yaml:5:10: 'version' wants 1, got '2'"]),

    Case("setting in a job", job("run: x, maxfail: 3"),
         ["demo.yaml:3:18: unknown key 'maxfail'; it belongs to 'settings'"]),
    Case("job's key at the top", HOSTS + JOBS + "retries: 3\n",
         ["demo.yaml:4:1: unknown key 'retries'; it belongs to 'jobs.NAME'"]),
    Case("key in capitals", HOSTS + JOBS + "SETTINGS: {}\n",
         ["demo.yaml:4:1: unknown key 'SETTINGS'; did you mean 'settings'?"]),
    Case("beginning of a key", job("run: x, time: 3"),
         ["demo.yaml:3:18: unknown key 'time'; did you mean 'timeout'?"]),
    Case("misspelt report", HOSTS + JOBS + "report: {juint: x}\n",
         ["demo.yaml:4:10: unknown key 'juint'; did you mean 'junit'?"]),
    Case("JUnit on stdout", HOSTS + JOBS + "report: {junit: '-'}\n",
         ["demo.yaml:4:10: 'junit' can't be written to stdout, it wants a file"]),
    Case("misspelt worker", host("{spec: popen, worker: natvie}"),
         ["demo.yaml:2:27: 'worker' wants native or python, got 'natvie'; did you mean 'native'?"]),
    Case("misspelt boolean", HOSTS + JOBS + "tree: {source: ., delete: ture}\n",
         ["demo.yaml:4:27: 'delete' wants true or false, got 'ture'; did you mean 'true'?"]),
    Case("number with an exponent", job("run: x, retries: 1e1"),
         ["demo.yaml:3:27: 'retries' wants a number from 0 to 100, got '1e1'"]),
    Case("number with a blank", job("run: x, retries: '3 '"),
         ["demo.yaml:3:27: 'retries' wants a number from 0 to 100, got '3 '"]),

    # --- types and ranges ---
    Case("version", "version: two\n" + HOSTS + JOBS,
         ["demo.yaml:1:10: 'version' wants 1, got 'two'"]),
    Case("retries as text", job("run: x, retries: many"),
         ["demo.yaml:3:27: 'retries' wants a number from 0 to 100, got 'many'"]),
    Case("retries out of range", job("run: x, retries: 101"),
         ["demo.yaml:3:27: 'retries' wants a number from 0 to 100, got '101'"]),
    Case("retries as list", job("run: x, retries: [1]"),
         ["demo.yaml:3:27: 'retries' wants a number from 0 to 100, got a list"]),
    Case("timeout without number", job("run: x, timeout: soon"),
         ["demo.yaml:3:27: 'timeout' wants a duration such as 90s, 10m or 1.5h,"
          " from 0 to 365d, got 'soon'"]),
    Case("timeout with an unknown unit", job("run: x, timeout: 5 parsecs"),
         ["demo.yaml:3:27: 'timeout' wants a duration such as 90s, 10m or 1.5h,"
          " from 0 to 365d, got '5 parsecs'"]),
    Case("heartbeat of nothing", HOSTS + JOBS + "settings: {heartbeat: 0}\n",
         ["demo.yaml:4:23: 'heartbeat' wants a duration such as 90s, 10m or 1.5h,"
          " from 1ms to 1d, got '0'"]),
    Case("output cap too small", HOSTS + JOBS + "settings: {output_cap: 12}\n",
         ["demo.yaml:4:24: 'output_cap' wants a size such as 64KiB or 1MiB,"
          " from 1KiB to 1GiB, got '12'"]),
    Case("delete that is neither yes nor no", HOSTS + JOBS + "tree: {source: ., delete: maybe}\n",
         ["demo.yaml:4:27: 'delete' wants true or false, got 'maybe'"]),
    Case("slots of none", host("{spec: popen, slots: 0}"),
         ["demo.yaml:2:26: 'slots' wants a number from 1 to 100000, got '0'"]),
    Case("nice out of range", host("{spec: popen, nice: 20}"),
         ["demo.yaml:2:25: 'nice' wants a number from -20 to 19, got '20'"]),
    Case("unknown worker", host("{spec: popen, worker: rust}"),
         ["demo.yaml:2:27: 'worker' wants native or python, got 'rust'"]),
    Case("env as list", job("run: x, env: [A=1]"),
         ["demo.yaml:3:23: 'env' wants a mapping of names to text, got a list"]),
    Case("env with a list", job("run: x, env: {A: [1]}"),
         ["demo.yaml:3:27: environment variable 'A' wants text, got a list"]),
    Case("env name with an equals sign", job("run: x, env: {A=B: 1}"),
         ["demo.yaml:3:24: 'env' has 'A=B', which can't name a variable"]),
    Case("needs as mapping", job("run: x, needs: {a: b}"),
         ["demo.yaml:3:29: 'needs' of 'a' wants passed, failed or any, got 'b'"]),
    Case("tags with a list inside", host("{spec: popen, tags: [a, [b]]}"),
         ["demo.yaml:2:29: 'tags' wants text in its list, got a list"]),
    Case("name of nothing", host("{spec: popen, name: }"),
         ["demo.yaml:2:25: 'name' wants text, got nothing"]),
    Case("settings as list", HOSTS + JOBS + "settings: [1]\n",
         ["demo.yaml:4:11: 'settings' wants a mapping, got a list"]),
    Case("report as text", HOSTS + JOBS + "report: junit.xml\n",
         ["demo.yaml:4:9: 'report' wants a mapping, got 'junit.xml'"]),
    Case("tree that is not there", HOSTS + JOBS + "tree: nowhere\n",
         ["demo.yaml:4:7: 'source' wants a folder, got 'nowhere': No such file or directory"]),
    Case("tree that is a file", HOSTS + JOBS + "tree: {source: demo.yaml}\n",
         ["demo.yaml:4:16: 'source' wants a folder, got 'demo.yaml': Not a directory"]),
    Case("tree without a source", HOSTS + JOBS + "tree: {delete: true}\n",
         ["demo.yaml:4:7: 'source' is missing"]),

    # --- hosts ---
    Case("no inventory", JOBS, ["demo.yaml: the inventory has no hosts"]),
    Case("inventory without hosts", "version: 1\n\ninventory: {hosts: []}\n" + JOBS,
         ["demo.yaml:3:1: the inventory has no hosts"]),
    Case("inventory as text", "inventory: popen\n" + JOBS,
         ["demo.yaml:1:12: 'inventory' wants a mapping, got 'popen'"]),
    Case("hosts as text", "inventory: {hosts: no-xspec}\n" + JOBS,
         ["demo.yaml:1:20: xspec 'no-xspec': no transport key*"]),
    Case("hosts as mapping", "inventory: {hosts: {a: popen}}\n" + JOBS,
         ["demo.yaml:1:20: 'hosts' wants a list of hosts, got a mapping"]),
    Case("host as list", host("[popen]"),
         ["demo.yaml:2:5: a host is an xspec or a mapping with 'spec'"]),
    Case("host without a spec", host("{name: a}"), ["demo.yaml:2:5: 'spec' is missing"]),
    Case("xspec with a repeated key", host("popen//popen"),
         ["demo.yaml:2:5: xspec 'popen//popen': duplicate key 'popen'"]),
    Case("xspec with an empty part", host("popen//"),
         ["demo.yaml:2:5: xspec 'popen//': empty part"]),
    Case("xspec with an underscore", host("popen//_a=1"),
         ["demo.yaml:2:5: xspec 'popen//_a=1': key starts with an underscore: '_a'"]),
    Case("xspec with a bad number", host("{slots: 2, spec: popen//nice=x}"),
         ["demo.yaml:2:22: xspec 'popen//nice=x': nice='x' must be a number"]),
    Case("xspec with a misspelt key", host("popen//pyhton=python3"),
         ["demo.yaml:2:5: xspec 'popen//pyhton=python3': unknown key 'pyhton';"
          " did you mean 'python'?"]),
    Case("xspec without a transport", host("python=python3"),
         ["demo.yaml:2:5: xspec 'python=python3': no transport key: one of popen, ssh=, socket=,"
          " vagrant_ssh=, docker=, podman=, kubectl=, srun= is needed"]),
    Case("xspec with two transports", host("popen//ssh=build1"),
         ["demo.yaml:2:5: xspec 'popen//ssh=build1': two transport keys, popen and ssh"]),
    Case("ssh without a host", host("ssh="), ["demo.yaml:2:5: xspec 'ssh=': 'ssh' names no host"]),
    Case("socket without a port", host("socket=build1"),
         ["demo.yaml:2:5: xspec 'socket=build1': 'socket' wants HOST:PORT, got 'build1'"]),
    Case("0*popen", host("0*popen"),
         ["demo.yaml:2:5: xspec '0*popen': N* wants a number from 1 to 100000"]),
    Case("too many slots", host("{spec: 1000*popen, slots: 1000}"),
         ["demo.yaml:2:12: xspec '1000*popen': more than 100000 slots"]),
    Case("range backwards", host("ssh=build[10-01]"),
         ["demo.yaml:2:5: range '10-01' in 'ssh=build[10-01]' runs backwards"]),
    Case("bad range", host("ssh=build[1-x]"),
         ["demo.yaml:2:5: bad range '1-x' in 'ssh=build[1-x]'"]),
    Case("unclosed range", host("ssh=build[1-3"),
         ["demo.yaml:2:5: '[' without ']' in 'ssh=build[1-3'"]),
    Case("empty range", host("ssh=build[1,]"),
         ["demo.yaml:2:5: empty range in 'ssh=build[1,]'"]),
    Case("too many hosts", host("ssh=build[1-100001]"), ["demo.yaml:2:5: more than 100000 hosts"]),
    Case("hosts in the notation of others",
         "inventory: ['ssh=jo@n[1-3],m1', 'ssh=-p 2 n[1-5]!n3', 'ssh=n[1-2,^3]', 'ssh=n[1-9/3]']\n" + JOBS,
         ["demo.yaml:1:13: xspec 'ssh=jo@n1,m1': 'n1,m1' can't be a host; a list, n[1-3],m1, can't have"
          " options or a user: list each host by itself",
          "demo.yaml:1:33: xspec 'ssh=-p 2 n1!n3': 'n1!n3' can't be a host; a set, n[1-5]!n3, can't have"
          " options or a user: list each host by itself",
          "demo.yaml:1:55: bad range '^3' in 'ssh=n[1-2,^3]'",
          "demo.yaml:1:72: bad range '1-9/3' in 'ssh=n[1-9/3]'"]),
    Case("a set of hosts that is empty", host("'ssh=n[1-3]!n[1-9]'"),
         ["demo.yaml:2:5: xspec 'ssh=n[1-3]!n[1-9]': nothing is left of 'n[1-3]!n[1-9]'"]),
    Case("a group of nobody", "inventory: {hosts: 'ssh=web[1-2]', groups: {g: wbe1}}\n" + JOBS,
         ["demo.yaml:1:45: group 'g': no host matches 'wbe1'; did you mean 'web1'?"]),
    Case("groups in a circle", "inventory: {hosts: popen, groups: {a: b, b: 'popen,@a'}}\n" + JOBS,
         ["demo.yaml:1:36: group 'a' leads back to itself: a -> b -> a"]),
    Case("a group as a mapping", "inventory: {hosts: popen, groups: {a: {hosts: popen}}}\n" + JOBS,
         ["demo.yaml:1:39: group 'a' wants a host pattern or a list of them, got a mapping"]),
    Case("braces of a shell in a host", host("'ssh=n{1..3}'"),
         ["demo.yaml:2:5: xspec 'ssh=n{1..3}': 'n{1..3}' can't be a host; only [...] stands for"
          " several hosts"]),
    Case("id with a blank", host("'popen//id=a b'"),
         ["demo.yaml:2:5: 'a b' can't name a host: no blanks, commas, '!', '&' or '@'"]),
    Case("duplicate host name", "inventory:\n  - {spec: popen, name: a}\n"
         "  - {spec: popen, name: a}\n" + JOBS,
         ["demo.yaml:3:12: duplicate host name 'a' (first at demo.yaml:2:12)"]),
    Case("duplicate id", "inventory:\n  - popen//id=a\n  - popen//id=a\n" + JOBS,
         ["demo.yaml:3:5: duplicate host name 'a' (first at demo.yaml:2:5)"]),
    Case("one name for three hosts", host("{spec: 'ssh=b[1-3]', name: b}"),
         ["demo.yaml:2:12: name 'b' gives 1 name for 3 hosts"]),
    Case("two names for three hosts", host("{spec: 'ssh=b[1-3]', name: 'a,b'}"),
         ["demo.yaml:2:12: name 'a,b' gives 2 names for 3 hosts"]),
    Case("host name like a group", host("{spec: popen, name: '@a'}"),
         ["demo.yaml:2:12: '@a' can't name a host: no blanks, commas, '!', '&' or '@'"]),
    Case("bad tag", host("{spec: popen, tags: ['a b']}"),
         ["demo.yaml:2:12: 'a b' can't be a tag: no blanks, commas, '!', '&' or '@'"]),
    Case("via nobody", "inventory:\n  - ssh=gate\n  - popen//via=gaet\n" + JOBS,
         ["demo.yaml:3:5: xspec 'popen//via=gaet': via names 'gaet', which is no host;"
          " did you mean 'gate'?"]),
    Case("via itself", host("popen//via=a//id=a"),
         ["demo.yaml:2:5: xspec 'popen//via=a//id=a': via leads back to itself"]),

    # --- tree ---
    Case("patterns that can match nothing", HOSTS + JOBS + "tree: {source: ., exclude: [./build, '*.{o,tmp}', a//b, '../x', '!', 'x[a', 'x\\', '']}\n",
         ["demo.yaml:*"] * 8),
    Case("exclude_from nowhere", HOSTS + JOBS + "tree: {source: ., exclude_from: [.gitignore, ./nowhere, '']}\n",
         ["demo.yaml:4:46: 'exclude_from': ./nowhere: No such file or directory",
          "demo.yaml:4:57: 'exclude_from' names no file: ''"]),

    # --- jobs ---
    Case("no jobs", HOSTS, ["demo.yaml: there are no jobs"]),
    Case("empty jobs", HOSTS + "jobs: {}\n", ["demo.yaml:2:1: there are no jobs"]),
    Case("jobs as list", HOSTS + "jobs: [a]\n",
         ["demo.yaml:2:7: 'jobs' wants a mapping of names to jobs, got a list"]),
    Case("job as text", HOSTS + "jobs:\n  unit: make test\n",
         ["demo.yaml:3:9: job 'unit' wants a mapping with 'pytest', 'run' or the like"]),
    Case("bad job name", HOSTS + "jobs:\n  my job: {run: x}\n",
         ["demo.yaml:3:3: 'my job' can't name a job: letters, digits, '_', '-' and '.'"]),
    Case("job without a payload", job("retries: 1"),
         ["demo.yaml:3:3: job 'unit' has none of 'pytest', 'run', 'ctest', 'gtest', 'tap' and 'steps'"]),
    Case("job with two payloads", job("run: x, pytest: y"),
         ["demo.yaml:3:18: job 'unit' has both 'run' and 'pytest'; it can have one"]),
    Case("run of nothing", job("run: ''"),
         ["demo.yaml:3:15: 'run' wants text for the shell or a list of texts, got ''"]),
    Case("run of an empty list", job("run: []"),
         ["demo.yaml:3:15: 'run' wants text for the shell or a list of texts, got a list"]),
    Case("run of an empty program", job("run: ['']"),
         ["demo.yaml:3:3: job 'unit': the command has no program"]),
    Case("pytest with an open quote", job('pytest: "-k ''it\'s''"'),
         ["demo.yaml:3:18: 'pytest': command line '-k it's': a quote that is not closed"]),
    Case("pytest as mapping", job("pytest: {k: v}"),
         ["demo.yaml:3:18: 'pytest' wants a list of texts, or a text that is split"
          " as a shell does, got a mapping"]),
    Case("dist of a command", job("run: x, dist: load"),
         ["demo.yaml:3:18: 'dist' is for 'pytest' jobs, not for 'run'"]),
    Case("matrix of pytest", job("pytest: x, matrix: {a: [1]}"),
         ["demo.yaml:3:21: 'matrix' is for 'run' jobs, not for 'pytest'"]),
    Case("unknown dist", job("pytest: x, dist: laod"),
         ["demo.yaml:3:27: job 'unit': no 'dist' is called 'laod'; there is: load, worksteal, loadscope, loadfile, loadgroup, each, no, auto;"
          " did you mean 'load'?"]),
    Case("matrix as list", job("run: x, matrix: [a]"),
         ["demo.yaml:3:26: 'matrix' wants a mapping of names to lists of texts, got a list"]),
    Case("axis as text", job("run: x, matrix: {a: 1}"),
         ["demo.yaml:3:30: axis 'a' wants a list of texts, got '1'"]),
    Case("axis without values", job("run: x, matrix: {a: []}"),
         ["demo.yaml:3:30: axis 'a' has no values"]),
    Case("axis with a value twice", job("run: x, matrix: {a: [1, 2, 1]}"),
         ["demo.yaml:3:30: axis 'a' has '1' twice"]),
    Case("axis called index", job("run: x, matrix: {index: [1]}"),
         ["demo.yaml:3:27: 'matrix' can't have an axis 'index'"]),
    Case("too many instances", job("run: x, count: 1000000000, matrix: {a: [1, 2, 3]}"),
         ["demo.yaml:3:3: job 'unit' has more than 2147483646 instances"]),
    Case("too many axes", job("run: x, matrix: {" + ", ".join(f"a{i}: [1]" for i in range(129)) + "}"),
         ["demo.yaml:3:26: 'matrix' has more than 128 axes"]),

    # --- placeholders ---
    Case("misspelt placeholder", job("run: 'x {sise}', matrix: {size: [1]}"),
         ["demo.yaml:3:15: job 'unit': 'run' has {sise}, which is nothing; did you mean {size}?"
          " ({{sise}} stands for the text itself)"]),
    Case("misspelt placeholder in a list", job("run: [x, '{Size}'], matrix: {size: [1]}"),
         ["demo.yaml:3:15: job 'unit': 'run' has {Size}, which is nothing; did you mean {size}?"
          " ({{Size}} stands for the text itself)"]),
    Case("misspelt placeholder in env", job("run: x, env: {A: '{indx}'}, count: 2"),
         ["demo.yaml:3:23: job 'unit': 'env' has {indx}, which is nothing; did you mean {index}?"
          " ({{indx}} stands for the text itself)"]),
    Case("index without a count", job("run: 'x {index}', matrix: {size: [1]}"),
         ["demo.yaml:3:15: job 'unit': 'run' has {index}, but there is no 'count'; {{index}}"
          " stands for the text itself"]),
    Case("placeholder with blanks", job("run: 'x { size }', matrix: {size: [1]}"),
         ["demo.yaml:3:15: job 'unit': 'run' has { size }, which is written {size}"]),
    Case("placeholder with an unknown format", job("run: 'x {size:03d}', matrix: {size: [1]}"),
         ["demo.yaml:3:15: job 'unit': 'run' has {size:03d}: there is {size}, and {size:raw} for a"
          " value that is not quoted; {{size:03d}} stands for the text itself"]),
    Case("value that can't be quoted", job("run: 'x $(({v}))', matrix: {v: [1, 1 + 2]}"),
         ["demo.yaml:3:15: job 'unit': the value '1 + 2' of {v} can't be quoted where it stands in"
          " 'run' (in $((...)), ${...}, `...` or $'...'); {v:raw} puts it there as it is"]),
    Case("list that was meant as shell text", job("run: [make test]"),
         ["demo.yaml:3:15: job 'unit': the program is called 'make test', blanks included: a list"
          " holds the words of one command, a text is what the shell runs"]),

    # --- pools, weights, hosts that must be there ---
    Case("unknown pool", job("run: x, uses: {licens: 1}") + "pools: {licence: 2}\n",
         ["demo.yaml:3:25: job 'unit' uses 'licens', which is no pool; did you mean 'licence'?"]),
    Case("more of a pool than there is", job("run: x, uses: {licence: 3}") + "pools: {licence: 2}\n",
         ["demo.yaml:3:25: job 'unit' uses 3 of 'licence', of which there are 2"]),
    Case("pool of nothing", HOSTS + JOBS + "pools: {licence: 0}\n",
         ["demo.yaml:4:18: pool 'licence' wants a number from 1 to 1000000, got '0'"]),
    Case("weight of nothing", job("run: x, weight: 0"),
         ["demo.yaml:3:26: 'weight' wants a number from 1 to 100000, got '0'"]),
    Case("weight that no host can carry", job("run: x, weight: 2"),
         ["demo.yaml:3:26: job 'unit' has weight 2, but no host that it may run on has more than 1"
          " slot"]),
    Case("more required hosts than there are", HOSTS + JOBS + "settings: {require_hosts: 2}\n",
         ["demo.yaml:4:27: 'require_hosts' wants 2, but the inventory has 1 host"]),
    Case("required hosts in words", HOSTS + JOBS + "settings: {require_hosts: every}\n",
         ["demo.yaml:4:27: 'require_hosts' wants a number from 1 to 100000, or all, got 'every'"]),
    Case("kept runs", HOSTS + JOBS + "settings: {keep: {runs: few, age: 3}}\n",
         ["demo.yaml:4:25: 'runs' wants a number from 0 to 1000000, got 'few'",
          "demo.yaml:4:30: unknown key 'age'"]),
    Case("needs no job", HOSTS + "jobs:\n  build: {run: x}\n  unit:\n    run: x\n"
         "    needs:\n      - biuld\n",
         ["demo.yaml:7:9: job 'unit' needs 'biuld', which is no job; did you mean 'build'?"]),
    Case("needs itself", job("run: x, needs: unit"),
         ["demo.yaml:3:3: jobs need each other: unit -> unit"]),
    Case("cycle", HOSTS + "jobs:\n  c: {run: x, needs: a}\n  a: {run: x, needs: [b]}\n"
         "  b: {run: x, needs: a}\n",
         ["demo.yaml:4:3: jobs need each other: a -> b -> a"]),
    Case("on no host", job("run: x, on: windows"),
         ["demo.yaml:3:22: job 'unit': no host matches 'windows'"]),
    Case("on a misspelt host", job("run: x, on: popne"),
         ["demo.yaml:3:22: job 'unit': no host matches 'popne'; did you mean 'popen'?"]),
    Case("on a class of characters", job("run: x, on: 'n[a-c]'"),
         ["demo.yaml:3:22: job 'unit': bad range 'a-c' in 'n[a-c]'; brackets are ranges as in"
          " 'hosts': n[1-12], n[a,b]"]),
    Case("on a range that is none of the hosts",
         "inventory: ['popen//id=n[1-12]']\njobs:\n  unit: {run: x, on: 'n[13-20]'}\n",
         ["demo.yaml:3:22: job 'unit': no host matches 'n[13-20]'"]),
    Case("on a bad pattern", job("run: x, on: 'a,!'"),
         ["demo.yaml:3:22: job 'unit': bad host pattern 'a,!'"]),
]
