# An interpreter that imports what the workers of the last run have imported, and is then forked for each worker of
# this one. It is started as a worker is, and gets this text instead of a worker's; a child goes on behind the end of
# it, where it reads the worker's. FF_WANTED, which stands before it, is what imports.py has told.
#
# On descriptor 3 it says and hears what core/worker/template.h describes. It must not import what a worker would not:
# a suite may look.
import os
import sys


class Template:
    def __init__(self, wanted):
        from _socket import AF_UNIX, SOCK_SEQPACKET, socket

        self.wanted = wanted
        self.line = socket(AF_UNIX, SOCK_SEQPACKET, 0, 3)
        self.line.setblocking(True)
        os.set_inheritable(3, False)
        self.fit, self.unfit = set(wanted.get("fit", ())), set(wanted.get("unfit", ()))
        self.environ = dict(os.environ)

    def say(self, text):
        self.line.send(text.encode()[:200])

    # what is imported

    def groups(self):
        """[(a package, its modules)]: those come first that others need."""
        groups = {}
        for name in self.wanted["modules"]:
            groups.setdefault(name.partition(".")[0], []).append(name)
        return list(reversed(list(groups.items())))

    def changed(self):
        if self.wanted["version"] != sys.version:
            return "another Python"
        for path, stamp in self.wanted["paths"]:
            try:
                now = os.stat(path).st_mtime_ns
            except OSError:
                now = None
            if now != stamp:
                return "%s has changed" % path
        return None

    def entangled(self):
        """Threads and sockets would not be there, or be there twice, in a child."""
        pid = os.fork()  # what knows of forks (BLAS libraries do) ends its threads before
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        if len(os.listdir("/proc/self/task")) > 1:
            return "a second thread"
        for fd in os.listdir("/proc/self/fd"):
            try:
                if int(fd) != 3 and os.readlink("/proc/self/fd/" + fd).startswith(("socket:", "anon_inode:")):
                    return "an open socket"
            except OSError:
                pass
        return None

    def try_out(self, names):
        """In a child: whether importing these does nothing else."""
        import warnings

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.fetch(names)
        rewritten = any(name in sys.modules for name in self.wanted["rewritten"])
        return not (caught or rewritten or self.entangled() or dict(os.environ) != self.environ)

    def tried_out(self, groups):
        pid = os.fork()
        if pid == 0:
            good = False
            try:
                good = self.try_out([name for _, names in groups for name in names])
            finally:
                os._exit(not good)
        return os.waitpid(pid, 0)[1] == 0

    def sort_out(self, groups):
        """All at once, and by halves only where something is wrong: few are."""
        if not groups:
            return
        if self.tried_out(groups):
            self.fit.update(group for group, _ in groups)
        elif len(groups) == 1:
            self.unfit.add(groups[0][0])
        else:
            self.sort_out(groups[: len(groups) // 2])
            self.sort_out(groups[len(groups) // 2 :])

    @staticmethod
    def fetch(names):
        from importlib import import_module

        for name in names:
            if name not in sys.modules:
                import_module(name)

    def prepare(self):
        """None, or why there can be no template."""
        why = self.changed()
        if not why and any(name.startswith("COVERAGE_PROCESS") for name in os.environ):
            why = "coverage measures what each process imports"
        if why:
            return why
        here, sys.path[:] = sys.path[:], [path for path in sys.path if path]
        groups = self.groups()
        self.sort_out([(group, names) for group, names in groups if group not in self.fit | self.unfit])
        self.fetch([name for group, names in groups if group in self.fit for name in names])
        sys.path[:] = here
        return self.entangled()

    # its children

    def fork(self, fds):
        """Forks twice, so that the child is a child of the worker's above. None: here; else the child's pid."""
        back, forth = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child:
                os.write(forth, b"%d" % child)
                os._exit(0)
            os.setpgid(0, 0)
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
            for fd in [back, forth, *fds]:
                os.close(fd)
            self.line.close()
            return None
        os.close(forth)
        os.waitpid(between, 0)
        pid = os.read(back, 32)
        for fd in [back, *fds]:
            os.close(fd)
        return int(pid)

    def serve(self):
        """Comes back in children alone."""
        from _socket import CMSG_SPACE

        null = os.open(os.devnull, os.O_RDWR)  # nothing of a child's is read here
        for fd in 0, 1, 2:
            os.dup2(null, fd)
        os.close(null)
        while 1:
            word, extra, _, _ = self.line.recvmsg(64, CMSG_SPACE(12))
            if word != b"fork" or not extra:
                os._exit(0)
            data = extra[0][2]
            pid = self.fork([int.from_bytes(data[i : i + 4], sys.byteorder) for i in range(0, 12, 4)])
            if pid is None:
                return
            self.say("pid %d" % pid)


def ff_template(text):
    from gc import disable, enable, freeze
    from json import loads

    template = Template(loads(text))
    disable()  # what is imported stays
    try:
        why = template.prepare()
        freeze()
        enable()
        template.say("no " + why if why else "ready")
        if why:
            os._exit(0)
    except BaseException as exc:
        template.say("no %s: %s" % (type(exc).__name__, exc))
        os._exit(0)
    try:
        template.serve()
    except OSError:
        os._exit(0)
    if "numpy.random" in sys.modules:  # others sow anew by themselves
        sys.modules["numpy.random"].seed()
    told = type(sys)("_farflung_template")
    told.fit, told.unfit = template.fit, template.unfit
    sys.modules["_farflung_template"] = told


ff_template(FF_WANTED)  # noqa: F821
for name in ("FF_WANTED", "Template", "ff_template", "name"):
    del globals()[name]
exec(eval(sys.stdin.readline()))
