"""What execnet's documentation shows by example, under farflung.execnet."""
import os
import pathlib
import subprocess
import sys
import textwrap

import farflung.execnet as execnet
import pytest
import sshd as fake_sshd


def test_two_sub_processes_receive_each(group):
    channels = [group.makegateway().remote_exec("channel.send(%d)" % n) for n in (1, 2)]
    both = execnet.MultiChannel(channels)
    assert len(both) == 2 and both[0] is channels[0] and channels[1] in both
    assert both.receive_each() == [1, 2]


def test_receive_each_with_channels(group):
    for _ in range(2):
        group.makegateway()
    both = group.remote_exec("channel.send(channel.receive() + 1)")
    both.send_each(41)
    assert both.receive_each(withchannel=True) == [(both[0], 42), (both[1], 42)]


def test_two_sub_processes_receive_queue(group):
    channels = [group.makegateway().remote_exec("channel.send(%d)" % n) for n in (1, 2)]
    both = execnet.MultiChannel(channels)
    queue = both.make_receive_queue()
    assert both.make_receive_queue() is queue
    pairs = [queue.get(timeout=30) for _ in range(2)]
    assert sorted(item for _, item in pairs) == [1, 2]
    assert {channel for channel, _ in pairs} == set(channels)


def test_receive_queue_tells_ends():
    group = execnet.Group(["popen"] * 3)
    many = group.remote_exec("channel.send(channel.receive() + 1)")
    queue = many.make_receive_queue(endmarker=-1)
    many[0].send(1)
    assert queue.get(timeout=30) == (many[0], 2)
    group.terminate(timeout=1)
    assert {queue.get(timeout=30)[1] for _ in range(3)} == {-1}
    assert repr(group) == "<Group []>"


def test_current_directories_are_the_same(gateway):
    assert gateway.remote_exec("import os; channel.send(os.getcwd())").receive() == os.getcwd()


def test_facts_of_the_other_end(gateway):
    channel = gateway.remote_exec(
        """
        import sys, os
        channel.send((sys.platform, tuple(sys.version_info), os.getpid()))
        """)
    platform, version, pid = channel.receive()
    assert (platform, version) == (sys.platform, tuple(sys.version_info)) and pid != os.getpid()


def test_callback_and_waitclose(gateway):
    channel = gateway.remote_exec("for i in range(10): channel.send(i)")
    seen = []
    channel.setcallback(seen.append, endmarker=None)
    channel.waitclose()
    assert seen == list(range(10)) + [None]
    with pytest.raises(OSError, match="callback"):
        channel.receive()


def test_channels_over_channels(gateway):
    channel = gateway.remote_exec(
        """
        first, second = channel.receive()
        second.send("world")
        first.send("hello")
        """)
    first, second = gateway.newchannel(), gateway.newchannel()
    channel.send((first, second))
    assert (first.receive(), second.receive()) == ("hello", "world")


def test_output_redirected_to_a_function(gateway):
    out = gateway.remote_exec(
        """
        import sys
        out = channel.gateway.newchannel()
        sys.stdout = out.makefile("w")
        channel.send(out)
        """).receive()
    seen = []
    out.setcallback(seen.append)
    gateway.remote_exec("print('hello world')\nprint('that is all')").waitclose()
    assert "".join(seen) == "hello world\nthat is all\n"


def test_function_with_kwargs(gateway):
    def multiply(channel, factor):
        for number in channel:
            channel.send(number * factor)

    channel = gateway.remote_exec(multiply, factor=10)
    for n in range(5):
        channel.send(n)
        assert channel.receive() == 10 * n


def module(tmp_path, monkeypatch, name, text):
    (tmp_path / (name + ".py")).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    return __import__(name)


def test_command_loop_in_a_module(gateway, tmp_path, monkeypatch):
    commands = module(
        tmp_path, monkeypatch, "remote_commands",
        """
        def simple(number):
            return number + 1

        if __name__ == "__channelexec__":
            for command in channel:
                channel.send(eval(command))
        """)
    channel = gateway.remote_exec(commands)
    channel.send("simple(10)")
    assert channel.receive() == 11


SERVE_FILES = """
    def serve(channel):
        for name in channel:
            with open(name, "rb") as file:
                channel.send(file.read())

    if __name__ == "__channelexec__":
        serve(channel)
    """


def test_file_server_over_ssh(group, tmp_path, monkeypatch):
    if not fake_sshd.available():
        pytest.skip("openssh-server is needed")
    server = module(tmp_path, monkeypatch, "serve_files", SERVE_FILES)
    (tmp_path / "content").write_bytes(b"\x00of a file\xff")
    with fake_sshd.Sshd() as sshd:
        gateway = group.makegateway("ssh=%s//python=%s" % (sshd.words, sys.executable))
        assert gateway.remoteaddress == sshd.words
        channel = gateway.remote_exec(server)
        channel.send(str(tmp_path / "content"))
        assert channel.receive() == b"\x00of a file\xff"
        group.terminate(timeout=10)


def test_socket_server_in_a_popen_gateway(group):
    group.makegateway("popen//id=server")
    gateway = group.makegateway("socket//installvia=server//id=by-socket")
    assert gateway.remote_exec("channel.send(6 * 7)").receive() == 42
    assert gateway.remote_exec("import os; channel.send(os.getpid())").receive() != os.getpid()


def test_via_a_master(group):
    group.defaultspec = "popen//via=master"
    master = group.makegateway("popen//id=master")
    worker = group.makegateway()
    assert repr(master) == "<Gateway id='master' receive-live, thread model, 0 active channels>"
    assert repr(worker) == "<Gateway id='gw0' receive-live, thread model, 0 active channels>"
    assert repr(group) == "<Group ['master', 'gw0']>"
    ask = "import os; channel.send((os.getpid(), os.getppid()))"
    assert worker.remote_exec(ask).receive()[0] != master.remote_exec(ask).receive()[0]


def test_rsync_to_two(group, tmp_path, capsys):
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "file").write_text("content")
    (source / "link").symlink_to(source / "folder" / "file")
    sync = execnet.RSync(source)
    dests = [tmp_path / "one", tmp_path / "two"]
    done = []
    for dest in dests:
        sync.add_target(group.makegateway(), dest, finishedcallback=lambda: done.append(1))
    sync.send()
    assert len(done) == 2 and "folder/file" in capsys.readouterr().out
    for dest in dests:
        assert (dest / "folder" / "file").read_text() == "content"
        assert os.readlink(str(dest / "link")) == str(dest / "folder" / "file")
    with pytest.raises(OSError, match="no targets"):
        sync.send()


def test_rsync_again_sends_only_what_changed_and_deletes(group, tmp_path):
    source, dest = tmp_path / "source", tmp_path / "dest"
    source.mkdir()
    (source / "same").write_text("same")
    (source / "other").write_text("old")
    gateway = group.makegateway()
    sent = []

    class Sync(execnet.RSync):
        def filter(self, path):
            return not path.endswith(".left-out")

        def _report_send_file(self, gateway, modified_rel_path):
            sent.append(modified_rel_path)

    def sync():
        one = Sync(source)
        one.add_target(gateway, dest, delete=True)
        one.send()

    (source / "a.left-out").write_text("")
    sync()
    assert sorted(sent) == ["other", "same"]
    (source / "other").write_text("newer")
    (dest / "stray").write_text("")
    del sent[:]
    sync()
    assert sent == ["other"] and sorted(os.listdir(str(dest))) == ["other", "same"]


def test_rsync_of_a_file(group, tmp_path):
    (tmp_path / "file").write_text("alone")
    sync = execnet.RSync(tmp_path / "file", verbose=False)
    sync.add_target(group.makegateway(), tmp_path / "copy")
    sync.send()
    assert (tmp_path / "copy").read_text() == "alone"


def test_remote_status(gateway):
    assert gateway.remote_status().numexecuting == 0
    channel = gateway.remote_exec("channel.send(1); channel.receive()")
    channel.receive()
    status = gateway.remote_status()
    assert (status.numexecuting, status.execmodel) == (1, "thread")
    channel.send(None)
    channel.waitclose()


def test_gui_code_has_the_main_thread_there(gateway):
    ask = """
        import threading
        channel.send(threading.current_thread() is threading.main_thread())
        channel.receive()
        """
    first = gateway.remote_exec(ask)
    assert first.receive() is True
    second = gateway.remote_exec(ask)
    assert second.receive() is False
    for channel in (first, second):
        channel.send(None)
        channel.waitclose()


GUI = """
import threading
import farflung.execnet as execnet

# A main loop of one's own, as those of graphical toolkits; work for it comes from callbacks.
gateway = execnet.makegateway("popen//execmodel=main_thread_only")
channel = gateway.remote_exec(\"\"\"
    import threading
    channel.send(threading.current_thread() is threading.main_thread())
    for x in channel:
        channel.send(2 * x)
\"\"\")
import queue
events = queue.Queue()
channel.setcallback(lambda item: events.put((item, threading.current_thread() is threading.main_thread())))
print(events.get(timeout=30)[0])  # one that was there before is given to the callback by setcallback itself
channel.send(21)
print(events.get(timeout=30))
"""


def test_gui_code_has_the_main_thread_here(script):
    assert script(GUI) == "True\n(42, False)\n"


GREEN = """
import farflung.execnet as execnet
{patch}
execnet.set_execmodel("{model}", "{remote}")
gateway = execnet.makegateway("popen")
print(gateway, gateway.remote_status().execmodel)
order, waits = [], []

# The first waits for what the second causes: nothing but a greenlet may be kept waiting.
def ask(name):
    channel = gateway.remote_exec("channel.send(channel.receive())")
    waits.append(channel)
    if name == "second":
        waits[0].send("first")
    else:
        order.append(channel.receive())
        waits[1].send("second")
        return
    order.append(channel.receive())

{both}
print(order)
channel = gateway.remote_exec("for i in range(3): channel.send(i)")
seen = []
channel.setcallback(seen.append, endmarker="end")
channel.waitclose(30)
print(seen)
try:
    gateway.remote_exec("channel.receive()").receive(timeout=0.01)
except execnet.TimeoutError:
    print("timed out")
"""
GREEN_SAID = """<Gateway id='gw0' receive-live, {model} model, 0 active channels> {remote}
['first', 'second']
[0, 1, 2, 'end']
timed out
"""


@pytest.mark.parametrize("remote", ["thread", "itself"])
@pytest.mark.parametrize("model, patch, both", [
    ("gevent", "import gevent",
     "gevent.joinall([gevent.spawn(ask, s) for s in (\"first\", \"second\")])"),
    ("eventlet", "import eventlet",
     "pool = eventlet.GreenPool()\nfor s in (\"first\", \"second\"): pool.spawn(ask, s)\npool.waitall()"),
], ids=["gevent", "eventlet"])
def test_greenlets(script, model, patch, both, remote):
    pytest.importorskip(model)
    remote = model if remote == "itself" else remote
    said = script(GREEN.format(model=model, patch=patch, both=both, remote=remote),
                  env=dict(os.environ, PYTHONWARNINGS="ignore"))
    assert said == GREEN_SAID.format(model=model, remote=remote)


def test_task_server_over_all_cpus():
    group = execnet.Group(["popen"] * (os.cpu_count() or 2))
    channels = group.remote_exec(
        """
        channel.send("ready")
        for task in channel:
            if task is None:
                break
            channel.send(task * task)
        """)
    queue = channels.make_receive_queue(endmarker="ended")
    tasks, results, ended = list(range(100)), [], 0
    while ended < len(channels):
        channel, item = queue.get(timeout=30)
        if item == "ended":
            ended += 1
            continue
        if item != "ready":
            results.append(item)
        channel.send(tasks.pop() if tasks else None)
    assert sorted(results) == [n * n for n in range(100)]
    group.terminate(timeout=10)


def test_old_scripts_need_only_another_import(script):
    assert script(
        "import farflung.execnet as execnet\n"
        "gw = execnet.makegateway()\n"
        "print(gw.remote_exec('channel.send(channel.receive() + 1)').send(1))\n") == "None\n"
    # Nothing is said at the end, though the gateway was left open.


def test_stand_in_for_execnet(script, tmp_path):
    text = (
        "import farflung.as_execnet\n"
        "import execnet, execnet.gateway_base\n"
        "from execnet.multi import Group\n"
        "import farflung.execnet\n"
        "print(execnet is farflung.execnet, execnet.gateway_base is farflung.execnet.gateway_base)\n")
    assert script(text) == "True True\n"
    folder = pathlib.Path(execnet.__file__).parent.parent / "instead"
    text = ("import execnet\n"
            "gw = execnet.makegateway()\n"
            "print(gw.remote_exec('import execnet; channel.send(execnet.__file__)').receive() == execnet.__file__)\n")
    paths = os.pathsep.join([str(folder), str(folder.parent.parent)])
    assert script(text, env=dict(os.environ, PYTHONPATH=paths)) == "True\n"


def test_a_script_is_run_as_it_is(tmp_path):
    (tmp_path / "old.py").write_text(
        "import execnet, sys\nprint(execnet.makegateway().remote_exec('channel.send(1)').receive(), sys.argv[1:])\n")
    package = str(pathlib.Path(execnet.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "farflung.as_execnet", "python", "old.py", "-x"], cwd=str(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=60,
        env=dict(os.environ, PYTHONPATH=package))
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 ['-x']\n", "")
