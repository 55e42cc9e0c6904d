# Runs the python worker's text, FF_TEXT, from its compiled form in the user's cache if that is
# there: compiling takes half of the start. Needs nothing and changes nothing where it can't do that.
import os
import sys

for ff_fd in range(3):
    try:
        os.fstat(ff_fd)
    except OSError:  # closed: nothing else may get its number
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if ff_fd == 2:
            sys.stderr = open(2, "w", 1, closefd=False)


def ff_compiled(text):
    try:
        from _frozen_importlib_external import MAGIC_NUMBER
        from _imp import source_hash
        from marshal import dumps, loads

        folder = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(folder):
            folder = os.path.expanduser("~/.cache")
        folder += "/farflung"
        key = source_hash(int.from_bytes(MAGIC_NUMBER, "little"), text.encode())
        path = "%s/worker-%s-%d.pyc" % (folder, key.hex(), len(text))
        me = os.geteuid()
        if not os.path.isabs(folder):
            raise OSError("no home")
    except Exception:
        return compile(text, "<worker>", "exec")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            info = os.fstat(fd)
            if info.st_uid == me and not info.st_mode & 0o22:
                return loads(os.read(fd, info.st_size))
        finally:
            os.close(fd)
    except Exception:
        pass
    code = compile(text, "<worker>", "exec")
    temp = "%s.%d" % (path, os.getpid())
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        data = dumps(code)
        fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(fd, data)
        finally:
            os.close(fd)
        if written == len(data):
            os.rename(temp, path)
        else:
            os.unlink(temp)
    except Exception:
        pass
    return code


exec(ff_compiled(FF_TEXT))  # noqa: F821
