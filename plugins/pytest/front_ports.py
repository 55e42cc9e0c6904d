# Part of the front: its side of ports.py, for ports that listen in this process and to this machine.
import os
import stat
from errno import EINPROGRESS

HEARD_MAX = 1000  # items that wait for whoever is slower than the channel


def own_listeners():
    """Ports at which this process listens to its machine: port -> (family, address to connect to)."""
    try:
        names = os.listdir("/dev/fd")
    except OSError:
        names = range(1024)
    found = {}
    for name in names:
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue  # to close a copy of a file would free its locks
            sock = _socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        try:
            place = listener(sock)
        except OSError:
            place = None
        sock.close()
        if place:
            found[place[1][1]] = place
    return found


def listener(sock):
    if sock.family not in (_socket.AF_INET, _socket.AF_INET6) or sock.type != _socket.SOCK_STREAM:
        return None
    if not sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN):
        return None
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    ours = host.startswith(("127.", "::ffff:127.")) or host == "::1"
    return (sock.family, (host, port)) if ours else None


class Asked:
    """In the place of ports: notes which are asked for."""

    def __init__(self):
        self.ports = set()

    def __contains__(self, port):
        self.ports.add(port)
        return False

    def get(self, port, otherwise):
        self.ports.add(port)
        return otherwise


def named_places(workerinput):
    """The listeners that `workerinput` names: port -> place."""
    asked = Asked()
    redirected(workerinput, asked)
    listeners = own_listeners() if asked.ports else {}
    return {port: listeners[port] for port in sorted(asked.ports.intersection(listeners))}


class FrontPorts(Ports):
    """The front's side: makes connections for workers, to what was offered to them."""

    def __init__(self, channel):
        super().__init__(
            lambda key, word, value: channel.send(("to", key[0], ("net", key[1], word, value))), HEARD_MAX
        )
        self.offered = {}  # worker's id -> named_places

    def open(self, key, port):
        place = self.offered.get(key[0], {}).get(port) if type(port) is int else None
        count = sum(1 for other in self.connections if other[0] == key[0])
        if place is None or key in self.connections or count >= CONNECTIONS_MAX:
            return self.send_item(key, "gone", None)
        sock = _socket.socket(place[0], _socket.SOCK_STREAM)
        connection = self.connections[key] = Connection(key, sock, opening=True)
        if sock.connect_ex(place[1]) not in (0, EINPROGRESS):
            self.broke(connection)

    def left(self, id):
        """Its worker is no more: as if a process had ended that held all these connections."""
        self.hear((id, None), "left", None)

    def take(self, key, word, value):
        if word != "left":
            return super().take(key, word, value)
        self.offered.pop(key[0], None)
        for connection in list(self.connections.values()):
            if connection.key[0] == key[0]:
                connection.alone = connection.out_over = True
                connection.room = CHUNK
                self.serve(connection, 0)


def is_net(value):
    return type(value) is tuple and value[:1] == ("net",) and len(value) == 4 and type(value[1]) is int


class Sorter:
    """In the place of a channel: connections' items go to their thread, whatever the others wait for."""

    def __init__(self, channel, ports):
        self.TimeoutError = channel.TimeoutError
        self.channel, self.ports = channel, ports
        self.queue = queue.Queue(HEARD_MAX)
        start_new_thread(self.run, ())

    def run(self):
        item = ()
        while item is not None:
            try:
                item = self.channel.receive()
            except Exception:  # nobody is there
                item = None
            if item and item[0] == "from" and is_net(item[2]):
                self.ports.hear((item[1], item[2][1]), *item[2][2:])
            else:
                self.queue.put(item)

    def receive(self, timeout=None):
        try:
            item = self.queue.get(True, timeout)
        except queue.Empty:
            raise self.TimeoutError() from None
        if item is None:
            self.queue.put(None)
            raise EOFError()
        return item
