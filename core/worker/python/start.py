# Runs the python worker's text, FF_TEXT, from its compiled form in the user's cache if that is
# there: compiling takes half of the start. Needs nothing and changes nothing where it can't do that.
# The worker does the same with the large texts that it is given by name (gateway.py).
# This part is compiled each time: it is short, and any Python from 2.6 on can read it.
import os
import sys

if sys.version_info < (3, 7):
    told = (sys.executable or "the interpreter",) + tuple(sys.version_info[:3])
    sys.exit("farflung: %s is Python %d.%d.%d, but a worker needs Python 3.7 or newer" % told)

for ff_fd in range(3):
    try:
        os.fstat(ff_fd)
    except OSError:  # closed: nothing else may get its number
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if ff_fd == 2:
            sys.stderr = open(2, "w", 1, closefd=False)


def ff_compiled(text, title):
    fds, place = [], None
    try:
        from _frozen_importlib_external import MAGIC_NUMBER
        from _imp import source_hash
        from marshal import loads

        folder = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(folder):
            folder = os.path.expanduser("~/.cache")
        magic = int.from_bytes(MAGIC_NUMBER, "little")
        name = "%s-%s-%d.pyc" % (title, source_hash(magic, text.encode()).hex(), len(text))
        me = os.geteuid()
        if os.path.isabs(folder):
            place = folder + "/farflung", name
        # Descriptors: what is looked at is what is used.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fds.append(os.open(place[0], flags | os.O_DIRECTORY))
        fds.append(os.open(name, flags, dir_fd=fds[0]))
        for fd in fds:
            info = os.fstat(fd)
            if info.st_uid != me or info.st_mode & 0o22:
                raise OSError("others may have written it")
        data = os.read(fd, info.st_size)
        # A damaged one would crash the interpreter, not raise: its hash stands before it.
        if data[:8] == source_hash(magic, data[8:]):
            return loads(data[8:])
    except Exception:
        pass
    finally:
        for fd in fds:
            os.close(fd)
    code = compile(text, "<%s>" % title, "exec", 0, True)
    if place:
        globals()["FF_CACHE"] = place + (code,)  # for main.py to put it there
    return code


exec(ff_compiled(FF_TEXT, "worker"))  # noqa: F821
