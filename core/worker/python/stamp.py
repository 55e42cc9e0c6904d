# The built-in `stamp` for python workers: whether a command has to be run again, and that it has been;
# core/rsync/stamp.h says more.


KEPT_MAX = 64 << 10
FOLDER = os.path.join(".farflung", "stamps")


def digest_of(find, salt):
    digest = hashlib.md5(salt.encode() + b"\0")
    for path in sorted(find.paths):
        digest.update(path + b"\0")
        size = 0
        with open(find.whole(path), "rb") as file:
            while True:
                part = file.read(PART_MAX)
                if not part:
                    break
                size += len(part)
                digest.update(part)
        digest.update(b"%d" % size)
    return digest.hexdigest()


def read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read(KEPT_MAX + 64)
    except OSError:
        return b""


def remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def write_stamp(path, digest):
    kept = read_file(path + ".env")
    if len(kept) > KEPT_MAX:
        raise Refused("%s.env: more than %d bytes" % (path, KEPT_MAX))
    if digest:
        with open(path + ".new", "wb") as file:
            file.write(digest.encode() + b"\n" + kept)
        os.replace(path + ".new", path)
    remove(path + ".env")
    return kept


def check_stamp(path, root, inputs, outputs, salt, force):
    remove(path + ".env")
    find, missing = look_for(root, inputs)
    if missing:
        raise Refused("nothing matches '%s' of 'inputs'" % os.fsdecode(missing[0]))
    digest = digest_of(find, salt)
    said, _, kept = read_file(path).partition(b"\n")
    fresh = bool(inputs) and not force and said == digest.encode() and not look_for(root, outputs)[1]
    if not fresh:  # what is done now may fail half-way: then nothing is as it was
        remove(path)
        kept = b""
    return digest, fresh, kept


def stamp(channel, root, name, inputs=(), outputs=(), salt="", write=None, force=False):
    if not root.startswith("/") or not name or "/" in name or name.startswith("."):
        raise Refused("stamp: a bad root or name")
    path = os.path.join(root, FOLDER, name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if write is not None:
            channel.send(("stamp", "", False, write_stamp(path, write)))
        else:
            channel.send(("stamp",) + check_stamp(path, root, inputs, outputs, salt, force))
    except OSError as exc:
        raise Refused("%s: %s" % (exc.filename or path, reason(exc))) from None
