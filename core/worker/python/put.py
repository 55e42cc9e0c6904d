# The built-in `put` for python workers: files of the controller's, for one unit; core/rsync/README.md
# describes the items. Names below the folder are resolved part by part, without following links.
import threading

WAIT = 60
DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def open_parent(root, path, make):
    """The descriptor of its folder, and its name there."""
    *folders, name = path.split(b"/")
    if make:
        os.makedirs(root, exist_ok=True)
    fd = os.open(root, DIR)
    for folder in folders:
        try:
            if make:
                try:
                    os.mkdir(folder, dir_fd=fd)
                except FileExistsError:
                    pass
            below = os.open(folder, DIR | os.O_NOFOLLOW, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd, name


def is_there(root, path, size, executable, digest):
    try:
        parent, name = open_parent(root, path, False)
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        finally:
            os.close(parent)
    except OSError:
        return False
    with open(fd, "rb") as file:
        st = os.fstat(fd)
        if not stat.S_ISREG(st.st_mode) or st.st_size != size or bool(st.st_mode & stat.S_IXUSR) != executable:
            return False
        own = hashlib.md5()
        for part in iter(lambda: file.read(PART_MAX), b""):
            own.update(part)
    return own.digest() == digest


def take_file(channel, root, path, mode, digest):
    parent, name = open_parent(root, path, True)
    # Others may be at work in this process, each with a channel of its own.
    temp = b".ff-%08x%08x.tmp" % (os.getpid(), channel.id)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temp, flags, mode & 0o777, dir_fd=parent), "wb") as file:
            own = hashlib.md5()
            while True:
                word, *rest = channel.receive()
                if word != "data":
                    break
                own.update(rest[0])
                file.write(rest[0])
        if word == "gone":
            raise Refused("%s: %s" % (os.fsdecode(rest[0]), rest[1]))
        if word != "end" or rest[0] != own.digest():
            raise Refused("%s arrived with another checksum than it had" % os.fsdecode(path))
        if rest[0] != digest:
            raise Refused("%s has changed while it was sent" % os.fsdecode(path))
        os.replace(temp, name, src_dir_fd=parent, dst_dir_fd=parent)
        temp = None
    finally:
        try:
            if temp:
                os.unlink(temp, dir_fd=parent)
        except FileNotFoundError:
            pass
        os.close(parent)


def remove_all(root, paths):
    for path in paths:
        if path.startswith(b"/") or set(path.split(b"/")) & {b"", b".", b".."}:
            raise Refused("put: '%s' leads out of the folder" % os.fsdecode(path))
        try:
            parent, name = open_parent(root, path, False)
            try:
                os.unlink(name, dir_fd=parent)
            finally:
                os.close(parent)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise Refused("%s: %s" % (os.fsdecode(path), reason(exc))) from None


def removals(channel):
    """Of this worker: a condition, and the channel that removed last."""
    return channel.gateway.__dict__.setdefault("_ff_removals", [threading.Condition(), 0])


def wait_for(state, after):
    """Requests run side by side: what was to go before must not go now."""
    with state[0]:
        state[0].wait_for(lambda: state[1] >= after, WAIT)


def put(channel, root, files=(), remove=(), after=0):
    top, state = os.fsencode(root), removals(channel)
    wait_for(state, after)
    if not root.startswith("/"):
        raise Refused("put: a bad root")
    if remove:
        try:
            remove_all(top, remove)
        finally:
            with state[0]:
                state[1] = channel.id
                state[0].notify_all()
        return
    for path, size, executable, digest in files:
        if not path or path.startswith(b"/") or set(path.split(b"/")) & {b"", b".", b".."}:
            raise Refused("put: '%s' leads out of the folder" % os.fsdecode(path))
    wanted = [number for number, file in enumerate(files) if not is_there(top, *file)]
    channel.send(("want", wanted))
    for number in wanted:
        path, digest = files[number][0], files[number][3]
        word, *rest = channel.receive()
        if word == "gone":
            raise Refused("%s: %s" % (os.fsdecode(rest[0]), rest[1]))
        if word != "file" or rest[0] != path:
            raise Refused("put: a file that nobody wants")
        try:
            take_file(channel, top, path, rest[2], digest)
        except OSError as exc:
            raise Refused("%s: %s" % (os.fsdecode(os.path.join(top, path)), reason(exc))) from None
    if wanted and channel.receive()[0] != "done":
        raise Refused("put: an end at the wrong place")
