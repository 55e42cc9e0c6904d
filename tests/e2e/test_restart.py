"""A host that restarts, or is cut off while it is reached: it is tried again, and the run goes on."""
import socket
import threading

import pytest

from conftest import of_kind, outcomes, result_of, wait_until, write

SUITE = """
import pathlib, pytest, time
@pytest.mark.parametrize("n", range(8))
def test_n(n):
    # The fourth never ends the first time.
    if n == 3 and not pathlib.Path("test-begun").exists():
        pathlib.Path("test-begun").touch()
        time.sleep(1000)
"""
SHELL = "test -e shell-begun && echo again && exit 0; touch shell-begun; sleep 1000"


def begin(farflung, spec, root, settings=""):
    """A run whose only host has a test and a command that end only when they run a second time."""
    write(farflung.cwd / "tree" / "test_it.py", SUITE)
    farflung.yaml(
        f"inventory: [{{spec: '{spec}', name: box, slots: 2, python: /usr/bin/python3}}]\n"
        f"tree: tree\nsettings: {{{settings}}}\n"
        f"jobs:\n  unit: {{pytest: [-p, 'no:cacheprovider', test_it.py]}}\n  shell: {{run: '{SHELL}'}}\n"
        "  after: {run: 'echo done', needs: [unit, shell]}\n")
    live = farflung.follow("run")
    for name in ("test-begun", "shell-begun"):
        wait_until((root / name).exists, 60, f"{name} is there")
    return live


def restart(sshd):
    """Again on its port: by now the kernel may have given it to a connection of somebody else."""
    port = sshd.port
    sshd.path("log")
    open(sshd.path("log"), "w").close()  # the listener's word is looked for in it
    sshd.start()
    assert sshd.port == port


def test_the_only_host_restarts(farflung, sshd, tmp_path):
    root = tmp_path / "there"
    live = begin(farflung, f"ssh={sshd.words}//chdir={root}", root, "reconnect: 60s")
    sshd.stop()
    first = live.event("host-away", host="box")
    assert first["units"] == 2 and first["retry_us"] > 0
    # Not only once: it is refused before it is there again.
    live.wait_for(lambda events: len(of_kind(events, "host-away", host="box")) >= 2)
    restart(sshd)
    events = live.finish(0, seconds=90)
    got = outcomes(events)
    assert len(got) == 8 + 2 and set(got.values()) == {"passed"}
    assert not of_kind(events, "host-lost") and not of_kind(events, "host-failed")
    assert len(of_kind(events, "host-ready", host="box")) == 2
    lost = {e["unit"]: e["alone"] for e in of_kind(events, "unit-lost")}
    assert lost == {"test_it.py::test_n[3]": False, "shell": False}
    assert "box" in live.stderr


def test_the_only_host_stays_away(farflung, sshd, tmp_path):
    root = tmp_path / "there"
    live = begin(farflung, f"ssh={sshd.words}//chdir={root}", root, "reconnect: 700ms")
    sshd.stop()
    events = live.finish(3)
    tries = [e["retry_us"] for e in of_kind(events, "host-away", host="box")]
    assert tries and tries == sorted(tries)
    assert len(of_kind(events, "host-lost", host="box")) == 1
    got = outcomes(events)
    assert got["shell"] == got["test_it.py::test_n[3]"] == "lost"
    assert set(got.values()) == {"passed", "lost"}
    for unit in ("shell", "test_it.py::test_n[3]"):
        assert "box" in result_of(events, unit)["message"]
    last = live.stderr.strip().splitlines()[-1]
    assert "box" in last and "refused" in last, live.stderr


def test_no_host_is_waited_for_without_reconnect(farflung, sshd, tmp_path):
    root = tmp_path / "there"
    live = begin(farflung, f"ssh={sshd.words}//chdir={root}", root, "reconnect: 0s")
    sshd.stop()
    events = live.finish(3)
    assert not of_kind(events, "host-away")
    assert len(of_kind(events, "host-lost", host="box")) == 1
    assert "box" in live.stderr.strip().splitlines()[-1]


class Proxy:
    """In front of a server: cuts the first `cuts` connections when so many bytes went either way."""

    def __init__(self, port, cuts, after):
        self.target, self.cuts, self.after = port, cuts, after
        self.accepted = 0
        self.open = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            server = socket.create_connection(("127.0.0.1", self.target))
            left = [self.after if self.accepted <= self.cuts else None]
            with self.lock:
                self.open += [client, server]
            for source, sink in ((client, server), (server, client)):
                thread = threading.Thread(target=self.pump, args=(source, sink, left), daemon=True)
                self.threads.append(thread)
                thread.start()

    def pump(self, source, sink, left):
        cut = False
        try:
            while not cut:
                if left[0] == 0:
                    break
                data = source.recv(4096)
                if not data:
                    break
                with self.lock:
                    if left[0] is not None:
                        data = data[: left[0]]
                        left[0] -= len(data)
                        cut = left[0] == 0
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for end in self.open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(10)
        for end in self.open:
            end.close()


# From the first byte over the key exchange and the login into the upload of the worker.
@pytest.mark.parametrize("after", [0, 1, 30, 1000, 3000, 4500, 6000, 20000, 100000])
def test_cut_while_opening(farflung, sshd, after):
    with Proxy(sshd.port, cuts=2, after=after) as proxy:
        words = sshd.plain_words.replace(f"-p {sshd.port}", f"-p {proxy.port}")
        words = words.replace("-F none", "-F none -o HostKeyAlias=target -o StrictHostKeyChecking=no")
        done = farflung.run_yaml(
            f"inventory: [{{spec: 'ssh={words}', name: box}}]\n"
            "jobs: {shell: {run: 'echo fine'}}\n", code=0)
        assert proxy.accepted == 3
    assert outcomes(done.events) == {"shell": "passed"}
    away = of_kind(done.events, "host-away", host="box")
    assert len(away) == 2 and all(e["error"] and e["retry_us"] > 0 for e in away)
    assert [e["tries"] for e in of_kind(done.events, "host-joining", host="box")] == [1, 2, 3]
    assert "box" in done.stdout  # it took its time: why is said


@pytest.mark.parametrize("after", [0, 4500])
def test_cut_for_ever_while_opening(farflung, sshd, after):
    with Proxy(sshd.port, cuts=1000, after=after) as proxy:
        words = sshd.plain_words.replace(f"-p {sshd.port}", f"-p {proxy.port}")
        words = words.replace("-F none", "-F none -o HostKeyAlias=target -o StrictHostKeyChecking=no")
        done = farflung.run_yaml(
            f"inventory: [{{spec: 'ssh={words}', name: box}}]\n"
            "jobs: {shell: {run: 'echo fine'}}\n", code=3)
        assert 2 <= proxy.accepted <= 8
    assert len(of_kind(done.events, "host-failed", host="box")) == 1
    assert outcomes(done.events) == {"shell": "lost"}
    assert "box" in done.stderr.strip().splitlines()[-1]
