"""The native worker's way to a host and its cache there: nobody else's file is run, what is damaged, left
or full is no obstacle, and what happens instead is said."""
import os
import stat
import subprocess

import pytest

from conftest import MARK, of_kind, result_of, wait_until
from test_output_cap import sanitized

EVIL = "#!/bin/sh\ntouch %s\nprintf 'farflung-run\\n1'\n"
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


class Host:
    """An sshd of our own whose sessions have folders of programs before /usr/bin."""

    def __init__(self, farflung, fresh_sshd, tmp_path, *options):
        self.farflung = farflung
        self.bin = tmp_path / "bin"
        self.bin.mkdir()
        self.evil = tmp_path / "evil-ran"
        self.sshd = fresh_sshd(*options)
        self.cache = self.sshd.cache / "farflung"
        self.temp = self.sshd.temp / f"farflung-{os.getuid()}"
        # SetEnv counts once: the fixture's line is taken over with PATH.
        names = f"PATH={self.bin}:/usr/bin:/bin XDG_CACHE_HOME={self.sshd.cache} TMPDIR={self.sshd.temp}"
        self.sshd.options.insert(0, f"SetEnv {names} {MARK}={farflung.mark} PYTHONDONTWRITEBYTECODE=1")
        self.sshd.restart()

    def program(self, name, text):
        path = self.bin / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    def run(self, command="umask", native=True):
        spec = f"ssh={self.sshd.words}"
        self.farflung.yaml(
            f"inventory: [{{spec: '{spec}', name: h, python: /usr/bin/python3}}]\njobs: {{a: {{run: '{command}'}}}}\n")
        self.events = self.farflung.follow("run").finish(0)
        assert [e["native"] for e in of_kind(self.events, "host-ready")] == [native]
        assert not self.evil.exists()
        self.notes = [e["text"] for e in of_kind(self.events, "notice")]
        return result_of(self.events, "a")["sections"][0]["text"]

    def worker(self, folder=None):
        (found,) = (folder or self.cache).glob("worker-*")
        return found


@pytest.fixture
def host(farflung, fresh_sshd, tmp_path):
    return Host(farflung, fresh_sshd, tmp_path)


def test_the_umask_is_the_same_at_first_and_later(host):
    assert host.run() == host.run()
    assert host.worker().stat().st_mode & 0o777 == 0o700


def plant(host, folder):
    """What we would run there, were it not for the folder."""
    host.run()
    worker = host.worker()
    if folder != host.cache:
        os.rename(host.cache, folder)
        worker = host.worker(folder)
    return worker


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777, 0o720])
def test_a_folder_that_others_may_write_to(host, mode):
    for folder, other in (host.cache, host.temp), (host.temp, host.cache):
        worker = plant(host, folder)
        folder.chmod(mode)
        before = worker.stat()
        other.parent.joinpath("x").touch()
        host.run()
        assert worker.stat().st_ino == before.st_ino
        assert host.worker(other).stat().st_mode & 0o777 == 0o700
        for path in (folder, other):
            subprocess.run(["rm", "-rf", path], check=True)


@root_only
def test_a_folder_of_another_user(host):
    for folder, other in (host.cache, host.temp), (host.temp, host.cache):
        worker = plant(host, folder)
        worker.write_text(EVIL % host.evil)
        os.chown(folder, 12345, 12345)
        host.run()
        assert host.worker(other).exists() and worker.read_text() == EVIL % host.evil
        for path in (folder, other):
            subprocess.run(["rm", "-rf", path], check=True)


def test_a_folder_that_is_a_link(host, tmp_path):
    plant(host, tmp_path / "elsewhere")
    host.cache.symlink_to(tmp_path / "elsewhere")
    host.run()
    assert len(list(host.temp.iterdir())) == 1


@pytest.mark.parametrize("kind", ["mode", "link", "damaged", "folder"] + (["owner"] if os.getuid() == 0 else []))
def test_a_worker_that_others_may_have_written(host, tmp_path, kind):
    worker = plant(host, host.cache)
    content = worker.read_bytes()
    if kind == "mode":
        worker.chmod(0o777)
    elif kind == "owner":
        os.chown(worker, 12345, 12345)
    elif kind == "damaged":
        worker.write_bytes(content[:1000])
    else:
        os.rename(worker, tmp_path / "moved")
        worker.symlink_to(tmp_path / "moved") if kind == "link" else worker.mkdir()
    host.run()
    if kind != "folder":
        info = worker.lstat()
        assert stat.S_ISREG(info.st_mode) and info.st_mode & 0o777 == 0o700 and info.st_uid == os.getuid()
        assert worker.read_bytes() == content


def test_a_worker_that_is_swapped_after_its_hash(host):
    """The hash is right, and then there is another file of that name: what was hashed is run."""
    worker = plant(host, host.cache)
    host.program("sha256sum", f"""
/usr/bin/sha256sum "$@"
cat > {worker}.new <<'X'
{EVIL % host.evil}
X
chmod 700 {worker}.new
mv {worker}.new {worker}
""")
    host.run()
    assert worker.read_bytes()[:4] != b"\x7fELF"  # it was swapped indeed


def test_what_killed_uploads_have_left(host):
    plant(host, host.cache)
    here, dead = os.uname().nodename, 2**22 + 1
    left = [host.cache / name for name in (f"upload-{here}-{dead}", f"upload-{dead}", "upload-other-1", "upload-other-2")]
    for path in left:
        path.touch()
    os.utime(left[2], (0, 0))
    mine = host.cache / f"upload-{here}-{os.getpid()}"
    mine.touch()
    host.run()
    assert [path.exists() for path in [*left, mine]] == [False, False, False, True, True]


def test_a_killed_upload_leaves_nothing_behind(host):
    # A login's start files may use it as well.
    host.program("head", """
[ "$1" = -c ] || exec /usr/bin/head "$@"
read -r _ _ _ script _ < /proc/$PPID/stat
kill -9 $script $PPID
""")
    host.farflung.yaml(f"inventory: ['ssh={host.sshd.words}']\njobs: {{a: {{run: 'true'}}}}\n")
    assert "killed by signal 9" in host.farflung.run("run", code=3).stderr
    assert [path.name[:7] for path in host.cache.iterdir()] == ["upload-"]
    (host.bin / "head").unlink()
    host.run()
    assert [path.name[:7] for path in host.cache.iterdir()] == ["worker-"]


def test_an_upload_for_nobody_leaves_nothing_behind(host, tmp_path):
    """farflung is killed before it was asked for the worker: there is nobody any more to ask."""
    # A login's start files may use it as well.
    host.program("chmod", f"""
case $2 in */upload-*) ;; *) exec /usr/bin/chmod "$@" ;; esac
/usr/bin/chmod "$@"
touch {tmp_path}/reached
until [ -e {tmp_path}/go ]; do sleep 0.01; done
""")
    host.farflung.yaml(f"inventory: ['ssh={host.sshd.words}']\njobs: {{a: {{run: 'true'}}}}\n")
    live = host.farflung.follow("run")
    wait_until((tmp_path / "reached").exists, 60, "the file is made")
    assert [path.name[:7] for path in host.cache.iterdir()] == ["upload-"]
    live.process.kill()
    live.process.wait()
    wait_until(lambda: not host.sshd.session_pids(), 20, "the connection is gone")
    (tmp_path / "go").touch()
    wait_until(lambda: not host.farflung.left_over(), 20, "the script has ended")
    assert list(host.cache.iterdir()) == []


def test_an_upload_that_is_cut_short_goes_nowhere_else(host, tmp_path):
    """farflung is killed in the middle of it: what has come is not the worker, and no other folder is tried."""
    host.program("head", f"""
[ "$1" = -c ] && [ "$2" -gt 100000 ] || exec /usr/bin/head "$@"
/usr/bin/head -c 1000
touch {tmp_path}/reached
until [ -e {tmp_path}/go ]; do sleep 0.01; done
""")
    host.farflung.yaml(f"inventory: ['ssh={host.sshd.words}']\njobs: {{a: {{run: 'true'}}}}\n")
    live = host.farflung.follow("run")
    wait_until((tmp_path / "reached").exists, 60, "the upload has begun")
    live.process.kill()
    live.process.wait()
    wait_until(lambda: not host.sshd.session_pids(), 20, "the connection is gone")
    (tmp_path / "go").touch()
    wait_until(lambda: not host.farflung.left_over(), 20, "the script has ended")
    assert list(host.cache.iterdir()) == list(host.sshd.temp.iterdir()) == []


def full(host, times):
    """The first writes of the upload fail, as on a full disk."""
    host.program("cat", f"""
n=$(ls {host.bin} | grep -c full-)
case $(readlink /proc/$$/fd/1) in */upload-*) ;; *) exec /bin/cat "$@" ;; esac
[ $n -ge {times} ] && exec /bin/cat "$@"
touch {host.bin}/full-$n
echo cat: write error: No space left on device >&2
exit 1
""")


def test_a_full_cache(host):
    full(host, 1)
    host.run()
    assert list(host.cache.iterdir()) == [] and host.worker(host.temp).exists()


def test_all_folders_full(host):
    full(host, 2)
    host.run(native=False)
    assert [note for note in host.notes if "does not run here" in note] == [
        "the native worker does not run here (no folder to put it into: "
        f"{host.cache}: cat: write error: No space left on device, "
        f"{host.temp}: cat: write error: No space left on device): Python takes its place"]
    assert list(host.cache.glob("upload*")) == list(host.temp.iterdir()) == []


def test_another_machine(host):
    host.program("uname", "echo Linux riscv64")
    host.run(native=False)
    assert "the native worker does not run here (Linux riscv64): Python takes its place" in host.notes


@root_only
def test_without_proc_and_on_noexec(host, program):
    """In a mount namespace of its own, where there is no /proc, or nothing may be executed."""
    if sanitized(program):
        pytest.skip("the sanitizer itself needs /proc")
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no namespaces here")
    script = host.bin / "contain"
    for mount, native in ("mount -t tmpfs none /proc", True), (
            f"mkdir -p {host.cache} {host.temp}; "
            f"for d in {host.cache} {host.temp}; do mount -t tmpfs -o noexec,mode=700 none $d; done", False):
        script.write_text(f"#!/bin/sh\n{mount}\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n")
        script.chmod(0o755)
        host.sshd.options[:] = [o for o in host.sshd.options if "ForceCommand" not in o]
        host.sshd.options.append(f"ForceCommand unshare -m {script}")
        host.sshd.restart()
        for _ in range(2):
            host.run("echo", native=native)
    assert any(f"{host.cache}: nothing may be executed there" in note for note in host.notes)


def test_a_login_that_says_no(farflung, fresh_sshd):
    for command, words in (
        ('echo "This account is currently not available."; exit 1', "stdout: This account is currently not available."),
        ("exit 1", "is there an exit in .bashrc or another start file?"),
    ):
        server = fresh_sshd(f"ForceCommand {command}")
        farflung.yaml(f"inventory: ['ssh={server.words}']\njobs: {{a: {{run: 'true'}}}}\n")
        said = farflung.run("run", code=3).stderr
        assert "exit status 1" in said and words in said


@pytest.mark.parametrize("worker", ["native", "python"])
def test_a_login_that_sets_a_title(farflung, fresh_sshd, worker):
    server = fresh_sshd('ForceCommand printf "\\033]0;host\\007"; exec sh -c "$SSH_ORIGINAL_COMMAND"')
    farflung.yaml(
        f"inventory: [{{spec: 'ssh={server.words}', worker: {worker}, python: /usr/bin/python3}}]\n"
        "jobs: {a: {run: 'true'}}\n")
    events = farflung.follow("run").finish(0)
    assert [e["native"] for e in of_kind(events, "host-ready")] == [worker == "native"]
