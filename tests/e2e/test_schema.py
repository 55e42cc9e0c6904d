"""The JSON schema: made from the table of options, and of one mind with the program."""
import json
import re

import jsonschema
import pytest
import yaml

from conftest import TOP

SCHEMA = TOP / "configs" / "farflung.schema.json"
EXAMPLES = sorted((TOP / "configs").glob("*.yaml"))

RIGHT = {
    "short forms": "version: '1'\ninventory: [2*popen, {spec: popen, tags: a}]\ntree: .\njobs: {a: {run: x}}\n",
    "more short forms": "inventory: [popen]\nsetup: make venv\nteardown: rm -rf venv\nconcurrency: nightly\n"
                        "jobs: {a: {run: x, artifacts: [a, b], inputs: {paths: a, cleanup: true}}, b: {run: x, artifacts: a, inputs: [a]}}\n",
    "all kinds of values": """
version: 1
x-note: [anything, {at: all}]
.hidden: 5
vars: {a: 1, b: , c: {secret: env:HOME}, d: yes}
pools: {licence: 2}
inventory:
  defaults: {env: {A: 1, B: , C: {secret: env:HOME}}, slots: '2'}
  hosts: [popen, {spec: popen, name: m, memory: 16GiB, nice: -3, worker: native}]
tree: {source: ., exclude: [a, b], delete: on}
jobs:
  .base: &base {retries: 1, x-why: because}
  a: {<<: *base, pytest: [-k, x], dist: load, collect: every, memory: off, timeout: 1h30m, env: {T: {secret: 'cmd:x'}}}
  b: {run: [a, 1, true], matrix: {n: [1, 2, x]}, uses: {licence: 1}, on: '*', needs: [a], count: 3, stdin: '', memory: 2GiB, cpu: 1.5}
  c: {run: x, vars: {e: 1}, timeout: 90, weight: '${env:NIX:-1}', grace: 1.5s, memory: '50%', cpu: '5%'}
report: {junit: a.xml, jsonl: '-'}
settings: {maxfail: 3, output_cap: 2MiB, keep: {runs: 3}, require_hosts: all, flaky_fail: true}
overrides: {'b*': {retries: 3}}
profiles: {ci: {settings: {maxfail: 1}, jobs: {d: {run: x}}}}
""",
}
WRONG = {
    "unknown key": "inventory: [popen]\njobs: {a: {run: x}}\nextra: 1\n",
    "unknown key of a job": "inventory: [popen]\njobs: {a: {run: x, tiemout: 1}}\n",
    "unknown key of an override": "inventory: [popen]\njobs: {a: {run: x}}\noverrides: {a: {rnu: x}}\n",
    "unknown key of a profile": "inventory: [popen]\njobs: {a: {run: x}}\nprofiles: {p: {jbos: {}}}\n",
    "unknown report": "inventory: [popen]\njobs: {a: {run: x}}\nreport: {junti: x}\n",
    "choice": "inventory: [popen]\njobs: {a: {pytest: x, collect: all}}\n",
    "number": "inventory: [popen]\njobs: {a: {run: x, retries: many}}\n",
    "out of range": "inventory: [popen]\njobs: {a: {run: x, retries: 1000}}\n",
    "duration": "inventory: [popen]\njobs: {a: {run: x, timeout: -1}}\n",
    "list": "inventory: [popen]\njobs: [a]\n",
    "host without a spec": "inventory: [{slots: 1}]\njobs: {a: {run: x}}\n",
    "secret": "inventory: [popen]\nvars: {a: {secret: where}}\njobs: {a: {run: x}}\n",
    "secret of a host": "inventory: [{spec: popen, env: {A: {secret: where}}}]\njobs: {a: {run: x}}\n",
    "include in a profile": "inventory: [popen]\njobs: {a: {run: x}}\nprofiles: {p: {include: a}}\n",
    "name of a variable": "inventory: [popen]\nvars: {a-b: 1}\njobs: {a: {run: x}}\n",
    "version": "version: 2\ninventory: [popen]\njobs: {a: {run: x}}\n",
}


class Loader(yaml.SafeLoader):
    """As editors read it, by YAML 1.2: "on" is a key, and no boolean."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def load(text):
    return yaml.load(text, Loader)


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_it_is_current(farflung):
    done = farflung.run("check", "--schema", code=0)
    assert done.stdout == SCHEMA.read_text(encoding="utf-8"), \
        "build/farflung check --schema > configs/farflung.schema.json"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples(validator, path):
    validator.validate(load(path.read_text(encoding="utf-8")))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("name", RIGHT)
def test_right(farflung, validator, name):
    farflung.yaml(RIGHT[name])
    farflung.run("check", "-e", "b=1", code=0) if "vars" in RIGHT[name] else farflung.run("check", code=0)
    validator.validate(load(RIGHT[name]))


@pytest.mark.parametrize("name", WRONG)
def test_wrong(farflung, validator, name):
    farflung.yaml(WRONG[name])
    farflung.run("check", code=2)
    assert not validator.is_valid(load(WRONG[name]))
