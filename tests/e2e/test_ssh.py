"""Over ssh, to an sshd of our own on 127.0.0.1: trees, tests, one connection a host, keys."""
import os

import pytest

from conftest import of_kind, outcomes, result_of, write

SUITE = """
import os, pathlib, pytest, time
@pytest.mark.parametrize("n", range(24))
def test_n(n):
    if "MEET" in os.environ:
        # Nobody goes on before both hosts are at work.
        here = pathlib.Path.cwd()
        here.with_name(here.name + ".works").touch()
        end = time.monotonic() + 60
        while len(list(here.parent.glob("*.works"))) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert pathlib.Path("data.txt").read_text() == "some data\\n"
    assert os.environ["SSH_CONNECTION"]
"""


def spec(sshd, chdir, words=None):
    return f"ssh={words or sshd.words}//chdir={chdir}"


def make_tree(farflung):
    write(farflung.cwd / "tree" / "tests" / "test_it.py", SUITE)
    write(farflung.cwd / "tree" / "data.txt", "some data\n")
    for n in range(50):
        write(farflung.cwd / "tree" / "many" / f"f{n}", str(n))


def two_hosts(farflung, first, second, slots=2, extra=""):
    return farflung.yaml(
        "inventory:\n  hosts:\n"
        f"    - {{spec: '{first}', name: one, slots: {slots}}}\n"
        f"    - {{spec: '{second}', name: two, slots: {slots}}}\n"
        "tree: {source: tree, delete: true}\n"
        f"jobs:\n  unit: {{pytest: [-p, 'no:cacheprovider', tests]{extra}}}\n"
        "  shell: {run: 'cat data.txt; pwd', count: 8}\n"
    )


@pytest.mark.parametrize("servers", [1, 2])
def test_a_run_over_two_hosts(farflung, fresh_sshd, tmp_path, servers):
    make_tree(farflung)
    first = fresh_sshd()
    second = first if servers == 1 else fresh_sshd()
    roots = [tmp_path / "remote" / "one", tmp_path / "remote" / "two"]
    two_hosts(farflung, spec(first, roots[0]), spec(second, roots[1]), extra=", env: {MEET: 'yes'}")

    live = farflung.follow("run", "--junit", "junit.xml")
    events = live.finish(0)
    synced = {e["host"]: e for e in of_kind(events, "sync-finished")}
    assert {h: (e["files"], e["sent_files"], e["root"]) for h, e in synced.items()} == {
        "one": (52, 52, str(roots[0])), "two": (52, 52, str(roots[1]))}
    for root in roots:
        assert (root / "data.txt").read_text() == "some data\n"
        assert (root / "many" / "f49").read_text() == "49"
    done = outcomes(events)
    assert len(done) == 24 + 8 and set(done.values()) == {"passed"}
    assert {e["host"] for e in of_kind(events, "unit-finished", job="unit")} == {"one", "two"}
    assert all(e["native"] for e in of_kind(events, "host-ready"))
    assert first.connections() == (2 if servers == 1 else 1)

    for root in roots:
        root.with_name(root.name + ".works").unlink()
    events = farflung.follow("run").finish(0)
    again = of_kind(events, "sync-finished")
    assert len(again) == 2
    for event in again:
        assert (event["files"], event["sent_files"], event["sent_bytes"], event["deleted"]) == (52, 0, 0, 0)
    assert len(outcomes(events)) == 32

    write(farflung.cwd / "tree" / "data.txt", "some data\n\n")
    os.unlink(farflung.cwd / "tree" / "many" / "f0")
    # One host may do it all before the other is there.
    events = farflung.follow("run", "--job", "shell").finish(0)
    changed = of_kind(events, "sync-finished")
    assert changed
    for event in changed:
        assert (event["files"], event["sent_files"], event["deleted"]) == (51, 1, 1)
        assert not os.path.exists(event["root"] + "/many/f0")


def test_eight_slots_cost_one_connection(farflung, sshd, tmp_path):
    write(farflung.cwd / "tree" / "test_it.py", """
import os, pathlib, pytest, time
@pytest.mark.parametrize("n", range(8))
def test_n(n):
    # All eight are at work at once, or nobody ends.
    pathlib.Path("here-%d" % n).touch()
    end = time.monotonic() + 60
    while len(list(pathlib.Path(".").glob("here-*"))) < 8:
        assert time.monotonic() < end
        time.sleep(0.01)
""")
    farflung.yaml(
        f"inventory: [{{spec: '8*{spec(sshd, tmp_path / 'there')}', name: big}}]\n"
        "tree: tree\njobs:\n  unit: {pytest: [-p, 'no:cacheprovider']}\n"
    )
    events = farflung.follow("run").finish(0)
    assert len({e["worker"] for e in of_kind(events, "unit-finished")}) == 8
    assert (sshd.connections(), sshd.logins()) == (1, 1)


def test_worker_is_uploaded_once(farflung, sshd, tmp_path):
    farflung.yaml(f"inventory: ['{spec(sshd, tmp_path / 'there')}']\njobs: {{a: {{run: 'true'}}}}\n")
    farflung.follow("run").finish(0)
    cached = list((sshd.cache / "farflung").iterdir())
    assert len(cached) == 1 and cached[0].name.startswith("worker-")
    before = cached[0].stat()
    farflung.follow("run").finish(0)
    after = list((sshd.cache / "farflung").iterdir())
    assert after == cached and after[0].stat().st_ino == before.st_ino
    # A damaged one is noticed and replaced.
    content = cached[0].read_bytes()
    cached[0].write_bytes(content[:-100] + b"x" * 100)
    farflung.follow("run").finish(0)
    assert cached[0].read_bytes() == content
    assert list(sshd.temp.iterdir()) == []


def test_words_as_the_ssh_program_takes_them(farflung, sshd, tmp_path):
    # -F none -p PORT -i KEY -o … user@127.0.0.1: nothing comes from a file
    done = farflung.run_yaml(
        f"inventory: [\"{spec(sshd, tmp_path / 'there', sshd.plain_words)}\"]\njobs: {{a: {{run: echo $SSH_CONNECTION}}}}\n",
        code=0)
    assert result_of(done.events, "a")["sections"][0]["text"].split()[-1] == str(sshd.port)


def test_login_name_by_option(farflung, sshd, tmp_path):
    words = sshd.plain_words.replace(f"{sshd.user}@127.0.0.1", f"-l {sshd.user} 127.0.0.1")
    farflung.run_yaml(
        f"inventory: [\"{spec(sshd, tmp_path / 'there', words)}\"]\njobs: {{a: {{run: 'true'}}}}\n", code=0)


def test_program_ssh_takes_over(farflung, sshd, tmp_path):
    """What libssh2 can't do goes through the ssh program, automatically: a ProxyCommand here."""
    sshd.write_ssh_config("ProxyCommand nc %h %p" if os.path.exists("/usr/bin/nc") else
                          "ProxyCommand python3 -c \"" + RELAY + "\" %h %p")
    done = farflung.run_yaml(
        f"inventory: ['{spec(sshd, tmp_path / 'there')}']\njobs: {{a: {{run: echo over}}}}\n", code=0)
    assert result_of(done.events, "a")["sections"][0]["text"] == "over\n"
    assert sshd.connections() == 1


RELAY = (
    "import os,select,socket,sys;"
    "s=socket.create_connection(sys.argv[1:3]);"
    "exec('while 1:\\n for f in select.select([0,s],[],[])[0]:\\n  b=s.recv(65536) if f is s else os.read(0,65536)"
    "\\n  if not b: sys.exit()\\n  os.write(1,b) if f is s else s.sendall(b)')"
)


def test_python_worker_over_ssh(farflung, sshd, tmp_path):
    make_tree(farflung)
    farflung.yaml(
        "inventory:\n"
        f"  - {{spec: '{spec(sshd, tmp_path / 'there')}', worker: python, python: /usr/bin/python3, slots: 2}}\n"
        "tree: {source: tree, delete: true}\n"
        "jobs:\n  unit: {pytest: [-p, 'no:cacheprovider', tests]}\n  shell: {run: cat data.txt}\n"
    )
    events = farflung.follow("run").finish(0)
    assert [e["native"] for e in of_kind(events, "host-ready")] == [False]
    assert len(outcomes(events)) == 25
    events = farflung.follow("run").finish(0)
    assert of_kind(events, "sync-finished")[0]["sent_files"] == 0


def test_pytest_over_ssh_with_tx(farflung, sshd, tmp_path):
    make_tree(farflung)
    done = farflung.run(
        "pytest", "--tx", f"2*{spec(sshd, farflung.cwd / 'tree')}//python=/usr/bin/python3",
        "--junit", "junit.xml", "--", "-p", "no:cacheprovider", "tests", code=0)
    assert "24 passed" in done.stderr
    assert sshd.connections() == 1


def test_a_refused_host_is_no_end_while_another_is_there(farflung, sshd, tmp_path):
    make_tree(farflung)
    good = spec(sshd, tmp_path / "one")
    closed = "-F none -p 1 -o StrictHostKeyChecking=no 127.0.0.1"
    two_hosts(farflung, good, spec(sshd, tmp_path / "two", closed))
    events = farflung.follow("run").finish(0)
    away = of_kind(events, "host-away")
    assert {e["host"] for e in away} == {"two"}
    assert all("refused" in e["error"] and e["retry_us"] > 0 for e in away)  # it may still come
    assert not of_kind(events, "host-lost") + of_kind(events, "host-failed")
    assert {e["host"] for e in of_kind(events, "unit-finished")} == {"one"}
    assert len(outcomes(events)) == 32
