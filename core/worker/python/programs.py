# Programs that built-ins run. They are children of a guard, a process of its own that is started for
# the first one: when this worker is killed, the guard kills all that has come of them, daemons
# included; when the guard is killed, the worker does that and ends. The build puts this text before
# command.py and proxy.py. POSIX only; daemons can be followed where there is prctl.
import os
import subprocess
import sys
from _thread import allocate_lock, start_new_thread


class Refused(Exception):
    """Its text alone becomes the channel's error."""

    def __init__(self, text):
        Exception.__init__(self, text)
        self.ff_text = text


# The first four run in the guard, too, which has nothing but them.


def be_subreaper():
    """Orphans of ours become our children. Gives prctl, or None."""
    import sys

    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        prctl(36, 1, 0, 0, 0)
        return prctl
    except Exception:
        return None


def children_of_ours():
    import os

    found = []
    try:
        for task in os.listdir("/proc/self/task"):
            with open("/proc/self/task/%s/children" % task) as file:
                found += map(int, file.read().split())
    except FileNotFoundError:  # a thread that is gone, or an old kernel
        for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
            try:
                with open("/proc/%d/stat" % int(name), "rb") as file:
                    parent = file.read().rpartition(b")")[2].split()[1]
                if int(parent) == os.getpid():
                    found.append(int(name))
            except (OSError, ValueError, IndexError):
                pass
    except OSError:
        pass
    return found


def kill_all(groups, limit):
    """All children and the given process groups, and what becomes a child of ours by that."""
    import os
    from time import monotonic, sleep

    deadline = monotonic() + limit
    while 1:
        left = children_of_ours()
        for pid, kill in [(pid, os.killpg) for pid in groups] + [(pid, os.kill) for pid in left]:
            try:
                kill(pid, 9)
            except OSError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:
            return  # there are none
        if monotonic() >= deadline:
            return
        groups = ()
        sleep(0.01)


def guard(number):
    """The guard: starts programs on request, tells how they end, and ends with the line."""
    import array
    import marshal
    import os
    import select
    import signal
    import socket
    import subprocess

    line = socket.socket(fileno=number)
    fds, running = [], {}  # pid: [key, told, wanted, what wait4 gave]
    null = os.open(os.devnull, os.O_RDWR)
    for fd in 0, 1:
        os.dup2(null, fd)
    os.close(null)
    prctl = be_subreaper()
    if prctl:
        prctl(15, b"farflung-guard", 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for name in "SIGCHLD", "SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT":  # not ignored: that is inherited
        signal.signal(getattr(signal, name), lambda signum, frame: None)

    def tell(*message):
        data = marshal.dumps(message)
        line.sendall(len(data).to_bytes(4, "big") + data)

    def run(key, argv, cwd, env, nice, limits):
        given = fds[:3]
        del fds[:3]

        def prepare():
            if prctl:
                prctl(1, 9, 0, 0, 0)  # killed with the guard
            if nice:
                os.nice(nice)
            if limits:
                import resource

                for limit, value in limits:
                    resource.setrlimit(limit, (value, value))

        try:
            popen = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=given[0], stdout=given[1], stderr=given[2],
                bufsize=0, start_new_session=True, preexec_fn=prepare,
            )  # fmt: skip
        except OSError as exc:
            tell("failed", key, exc.errno or 0, str(exc))
        except Exception as exc:
            tell("failed", key, 0, str(exc))
        else:
            popen.returncode = 0  # reaped here, not by subprocess
            running[popen.pid] = [key, False, False, None]
            tell("started", key, popen.pid)
        finally:
            for fd in given:
                os.close(fd)

    def ended(pid, entry):
        """Its wait status; None: it runs. Where the system can do that it stays a zombie, so that
        its number is nobody else's."""
        if not entry[3] and hasattr(os, "waitid") and not entry[2]:
            info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if not info or info.si_code == os.CLD_EXITED:
                return info and info.si_status << 8
            return info.si_status | (0x80 if info.si_code == os.CLD_DUMPED else 0)
        if not entry[3]:
            found = os.wait4(pid, os.WNOHANG)
            entry[3] = found if found[0] else None
        return entry[3] and entry[3][1]

    def look():
        for pid, entry in list(running.items()):
            key, told, wanted = entry[:3]
            status = ended(pid, entry)
            if status is None:
                continue
            if not told:
                entry[1] = True
                tell("exited", key, status)
            if wanted:
                usage = entry[3][2]
                del running[pid]
                tell("reaped", key, status, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)
        for pid in children_of_ours():
            if pid not in running:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except OSError:
                    pass

    def serve():
        data = b""
        while 1:
            ready = select.select([line, woken], [], [])[0]
            if woken in ready:
                os.read(woken, 4096)
                look()
            if line not in ready:
                continue
            more, notes = line.recvmsg(1 << 16, socket.CMSG_SPACE(3 * 4))[:2]
            if not more:
                return
            for level, kind, content in notes:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    came = array.array("i")
                    came.frombytes(content)
                    fds.extend(came)
            data += more
            while len(data) >= 4 and len(data) - 4 >= int.from_bytes(data[:4], "big"):
                size = 4 + int.from_bytes(data[:4], "big")
                message, data = marshal.loads(data[4:size]), data[size:]
                if message[0] == "run":
                    run(*message[1:])
                elif message[1] in running:
                    running[message[1]][2] = True
                    look()

    try:
        serve()
    except OSError:
        pass
    kill_all(list(running), 10)


STARTER = """import marshal, sys, types
for name, code in marshal.load(sys.stdin.buffer):
    globals()[name] = types.FunctionType(code, globals())
guard(int(sys.argv[1]))
"""


class Program:
    """One program: its pid, which leads a process group; our ends of its pipes, or None; `woken`, a
    descriptor that is readable once it has exited and `status` (of waitpid) is there."""

    def __init__(self, keeper):
        self.keeper = keeper
        self.stdin = self.stdout = self.stderr = self.pid = self.failed = self.status = None
        self.woken, self.wake = os.pipe()
        self.answer = allocate_lock()
        self.answer.acquire()
        self.reaped = False

    def close(self):
        """Its output. stdin belongs to who writes."""
        for pipe in (self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()

    def signal(self, number):
        # until it is reaped, the group's number is nobody else's
        if not self.reaped:
            try:
                os.killpg(self.pid, number)
            except OSError:
                pass

    def reap(self):
        """To be called once; waits for its end: (status, user s, system s, max KiB)."""
        self.keeper.put(("reap", self.pid))
        self.answer.acquire()
        self.reaped = True
        os.close(self.woken)
        return self.end


class Keeper:
    """This side of the guard."""

    def __init__(self):
        import marshal
        import socket

        shipped = (be_subreaper, children_of_ours, kill_all, guard)
        self.lock = allocate_lock()
        self.programs = {}
        self.count = 0
        self.line, theirs = socket.socketpair()
        be_subreaper()
        try:
            popen = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", STARTER, str(theirs.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
                start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as exc:
            self.line.close()
            raise Refused("cannot start the guard '%s': %s" % (sys.executable, exc)) from None
        finally:
            theirs.close()
        popen.returncode = 0  # it outlives us, or we end with it
        with popen.stdin as pipe:
            pipe.write(marshal.dumps([(each.__name__, each.__code__) for each in shipped]))
        # a forked child must not keep the line open
        os.register_at_fork(after_in_child=lambda: os.close(self.line.detach()))
        start_new_thread(self.listen, ())

    def put(self, message, fds=()):
        import array
        import marshal
        import socket

        data = marshal.dumps(message)
        data = len(data).to_bytes(4, "big") + data
        notes = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        with self.lock:
            self.line.sendall(data[self.line.sendmsg([data], notes) :])

    def listen(self):
        import marshal

        pid = os.getpid()
        try:
            with self.line.makefile("rb") as file:
                while 1:
                    size = int.from_bytes(file.read(4), "big")
                    if not size:
                        break
                    self.hear(*marshal.loads(file.read(size)))
        except Exception:
            pass
        if os.getpid() != pid:
            return  # a forked child
        # without a guard nothing can be promised any more
        kill_all([program.pid for program in self.programs.values() if program.pid], 5)
        os._exit(1)

    def hear(self, what, key, *values):
        program = self.programs[key]
        if what == "exited":
            program.status = values[0]
            os.close(program.wake)
            return
        if what == "started":
            program.pid = values[0]
        elif what == "failed":
            program.failed = values
        elif what == "reaped":
            program.end = values
        if what != "started":
            del self.programs[key]
        program.answer.release()

    def run(self, argv, cwd, env, nice, limits, stdin, stdout, stderr):
        """Starts it. `stdin` …: PIPE, or a descriptor that it gets."""
        program = Program(self)
        given, temporary = [], []
        try:
            for name, fd in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
                if fd == subprocess.PIPE:
                    pair = os.pipe()
                    mine, fd = pair if name != "stdin" else pair[::-1]
                    temporary.append(fd)
                    setattr(program, name, open(mine, "rb" if name != "stdin" else "wb", 0))
                elif fd == subprocess.STDOUT:
                    fd = given[1]
                elif fd == subprocess.DEVNULL:
                    fd = os.open(os.devnull, os.O_RDONLY)
                    temporary.append(fd)
                given.append(fd)
            with self.lock:
                self.count += 1
                key = self.count
                self.programs[key] = program
            try:
                here = os.getcwd()
                cwd = os.path.join(here, cwd or "")
            except OSError:
                pass  # it is no more
            self.put(("run", key, argv, cwd, env, nice, limits), given)
            program.answer.acquire()
        finally:
            for fd in temporary:
                os.close(fd)
            if not program.pid:
                program.close()
                if program.stdin is not None:
                    program.stdin.close()
                os.close(program.woken)
                os.close(program.wake)
        return program


def start_program(channel, argv, cwd, env, nice=0, rlimits=None, **pipes):
    """Starts a program under the guard; Refused says why it can't be."""
    limits = []
    if rlimits:
        import resource

        for name, value in rlimits.items():
            number = getattr(resource, "RLIMIT_" + name.upper(), None)
            if number is None:
                raise Refused("unknown rlimit '%s'" % name)
            limits.append((number, resource.RLIM_INFINITY if value < 0 else value))
    missing = cwd is not None and not os.path.isdir(cwd)
    for text in argv + [text for pair in env.items() for text in pair]:
        if "\0" in text:
            raise Refused("cannot run '%s': embedded null byte" % argv[0].replace("\0", "\\0"))

    def start():
        gateway = channel.gateway
        with gateway.__dict__.setdefault("_keeper_lock", allocate_lock()):
            if not hasattr(gateway, "_keeper"):
                gateway._keeper = Keeper()
        return gateway._keeper.run(argv, cwd, env, nice, limits, **pipes)

    program = channel.gateway.execmodel.apart(start)
    if program.failed:
        errno, text = program.failed
        text = os.strerror(errno) if errno else text
        if missing:
            raise Refused("cannot change to '%s': %s" % (cwd, text))
        raise Refused("cannot run '%s': %s" % (argv[0], text))
    return program


