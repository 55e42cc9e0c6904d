# The worker starts here.


def sweep(folder, host):
    from time import time

    # What was left by those who were killed while they wrote: on this host, or a day ago. And what
    # is so old that it may be another version's: it is made anew if it is not.
    for name in os.listdir(folder):
        _, dot, temp = name.partition(".pyc")
        owner, _, pid = temp[1:].rpartition("-")
        try:
            if temp and owner in (host, ""):
                os.kill(int(pid), 0)
            elif dot and os.stat(name, dir_fd=folder).st_mtime < time() - (1 if temp else 30) * 86400:
                os.unlink(name, dir_fd=folder)
        except ProcessLookupError:
            os.unlink(name, dir_fd=folder)
        except (OSError, ValueError, OverflowError):
            pass


def keep_compiled():
    # What start.py has just compiled; without it the next start is slower, no more.
    try:
        keep(*globals().pop("FF_CACHE"))
    except Exception:
        pass


def keep(path, name, code):
    # In a folder that is ours alone.
    from _frozen_importlib_external import MAGIC_NUMBER
    from _imp import source_hash
    from marshal import dumps

    data = dumps(code)
    data = source_hash(int.from_bytes(MAGIC_NUMBER, "little"), data) + data
    os.makedirs(path, 0o700, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        info = os.fstat(folder)
        if info.st_uid != os.geteuid() or info.st_mode & 0o22:
            return
        host = os.uname().nodename
        temp = "%s.%s-%d" % (name, host, os.getpid())
        sweep(folder, host)
        fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            if os.write(fd, data) == len(data):
                os.rename(temp, name, src_dir_fd=folder, dst_dir_fd=folder)
                temp = None
        finally:
            os.close(fd)
            if temp:
                os.unlink(temp, dir_fd=folder)
    finally:
        os.close(folder)


def compiled(source, name):
    # A large text with a name like <front.py> is part of the program, and comes again with each run.
    cached = globals().get("ff_compiled")
    title = name[1:-1]
    if not cached or len(source) < 1 << 15 or name != "<%s>" % title or title[-3:] != ".py" or "/" in title:
        return compile(source, name, "exec", 0, True)
    code = cached(source, title)
    keep_compiled()
    return code


def main(id, backend, sock):
    model, gateway = ExecModel, Gateway
    if backend in GREEN:
        try:
            model, gateway = green(backend)
        except ImportError as exc:
            sys.exit("execmodel=%s: %s in %s" % (backend, exc, sys.executable))
    elif backend not in ("thread", "main_thread_only"):
        sys.exit("execmodel=%s: not known" % backend)
    variable = "FARFLUNG_DEBUG" if "FARFLUNG_DEBUG" in os.environ else "EXECNET_DEBUG"
    word = os.environ.get(variable, "")
    if word not in ("", "0"):
        gateway = traced(gateway, word, variable.partition("_")[0].lower())
    if sock is not None:
        rfd = wfd = sock.fileno()
    else:
        if os.name == "nt":
            import msvcrt

            for fd in 0, 1:
                msvcrt.setmode(fd, os.O_BINARY)
        if "FF_MARK" in globals():
            os.write(1, b"farflung-run\n")  # here ends what others have written
        rfd, wfd = os.dup(0), os.dup(1)
        for fd, flags in (0, os.O_RDONLY), (1, os.O_WRONLY):
            null = os.open(os.devnull, flags)
            os.dup2(null, fd)
            os.close(null)
        sys.stdin, sys.stdout = open(0, "r", 1, closefd=False), open(1, "w", 1, closefd=False)
    gateway(id + "-worker", model(backend), rfd, wfd, sock).serve()


keep_compiled()
main(
    globals().get("FF_ID", "gw"),
    globals().get("FF_EXECMODEL", "thread"),
    globals()["clientsock"] if globals().get("FF_SOCKET") else None,
)
