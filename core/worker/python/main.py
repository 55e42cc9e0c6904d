# The worker starts here.


def main(id, backend, sock):
    model, gateway = ExecModel, Gateway
    if backend in GREEN:
        try:
            model, gateway = green(backend)
        except ImportError as exc:
            sys.exit("execmodel=%s: %s in %s" % (backend, exc, sys.executable))
    elif backend not in ("thread", "main_thread_only"):
        sys.exit("execmodel=%s: not known" % backend)
    word = os.environ.get("FARFLUNG_DEBUG", os.environ.get("EXECNET_DEBUG", ""))
    if word not in ("", "0"):
        gateway = traced(gateway, word)
    if sock is not None:
        rfd = wfd = sock.fileno()
    else:
        if os.name == "nt":
            import msvcrt

            for fd in 0, 1:
                msvcrt.setmode(fd, os.O_BINARY)
        rfd, wfd = os.dup(0), os.dup(1)
        for fd, flags in (0, os.O_RDONLY), (1, os.O_WRONLY):
            null = os.open(os.devnull, flags)
            os.dup2(null, fd)
            os.close(null)
        sys.stdin, sys.stdout = open(0, "r", 1, closefd=False), open(1, "w", 1, closefd=False)
    gateway(id + "-worker", model(backend), rfd, wfd, sock).serve()


main(
    globals().get("FF_ID", "gw"),
    globals().get("FF_EXECMODEL", "thread"),
    globals()["clientsock"] if globals().get("FF_SOCKET") else None,
)
