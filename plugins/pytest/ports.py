# Part of the pytest payload and of the front: ports of the controlling machine that `workerinput` names.
# Where a worker runs elsewhere, it listens on 127.0.0.1 there in their place, and the front connects to
# the true ones: to those that it offered, nothing else. In between go, through relay and runner,
# ("net", number, word, value), where `number` is one of the worker's connections:
#   "open", port    first, from the worker
#   "data", bytes   no more than WINDOW that are not taken
#   "took", count   so many have reached the socket
#   "eof", None     no data follow
#   "gone", None    it broke, or came to no port: nothing follows, either way
# What a test replaces (socket, select, threading, time) is not used, or is bound here.
import _socket
import queue
import re
from _thread import allocate_lock, start_new_thread
from select import POLLIN, POLLNVAL, POLLOUT
from select import poll as new_poll
from struct import pack as pack_struct
from time import monotonic

WINDOW = 1 << 18
CHUNK = 1 << 16
CONNECTIONS_MAX = 64  # of a worker at once; more wait to be accepted
FINISH_SECONDS = 5.0  # at the session's end, for what is under way
PAUSE_MS = 100
NO_SIGNAL = getattr(_socket, "MSG_NOSIGNAL", 0)
LOOPBACK = r"127(?:\.\d{1,3}){3}|0\.0\.0\.0|localhost|\[::1?\]|::1?"
ADDRESS = re.compile(r"(?i)(?:%s)\Z" % LOOPBACK)
PLACE = re.compile(r"(?i)(?<![\w.:])(%s):(\d{1,5})(?!\d)" % LOOPBACK.rsplit("|", 1)[0])
NAMES_PORT = re.compile(r"(?i)ports?\Z")


def redirected(value, ports, named=False):
    """`value` with other ports where it names one of `ports` (old -> new): as a number below a key
    that ends with "port", as (address of this machine to itself, number), or in a text as address:number."""
    if isinstance(value, dict):
        return {
            key: redirected(item, ports, isinstance(key, str) and bool(NAMES_PORT.search(key)))
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = [redirected(item, ports, named) for item in value]
        if len(value) == 2 and isinstance(value[0], str) and ADDRESS.match(value[0]):
            items[0], items[1] = moved(*value, ports)
        return type(value)(items) if type(value) in (list, tuple) else items
    if isinstance(value, str):
        if named and value.isdigit():
            return str(ports.get(int(value), value))
        return PLACE.sub(lambda found: "%s:%s" % moved(found[1], int(found[2]), ports), value)
    if type(value) is int and named:
        return ports.get(value, value)
    return value


def moved(host, port, ports):
    if type(port) is not int or port not in ports:
        return host, port
    return host if host.lower() == "localhost" else "127.0.0.1", ports[port]


class Unheard(Exception):
    """Nobody is at the other side."""


class Connection:
    def __init__(self, key, sock, opening=False):
        self.key, self.sock, self.opening = key, sock, opening
        self.out = bytearray()
        self.room = WINDOW  # what the other side has yet to take
        self.read_over = self.out_over = self.write_over = False
        self.alone = False  # nobody is at the other side any more
        sock.setblocking(False)
        try:
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError:
            pass  # it has ended; that comes by itself

    def reads(self):
        return not (self.opening or self.read_over) and self.room > 0

    def events(self):
        return (POLLIN if self.reads() else 0) | (POLLOUT if self.opening or self.out else 0)


class Ports:
    """One side of all connections, with a thread of its own. `send`: (key, word, value); it may wait,
    and raises OSError when nobody hears it any more."""

    def __init__(self, send, heard_max=0):
        self.send_item = send
        self.heard = queue.Queue(heard_max)  # what was said and not yet read: it is bounded by windows
        self.listeners = {}  # descriptor -> (socket, port of the other side)
        self.connections = {}
        self.count = 0
        self.over = False
        self.deadline = None  # of the end
        self.ear, self.mouth = _socket.socketpair()
        self.ear.setblocking(False)
        self.mouth.setblocking(False)
        self.running = allocate_lock()
        self.running.acquire()

    def start(self):
        start_new_thread(self.run, ())

    def hear(self, key, word, value):
        """In any thread; waits where `heard_max` are heard and not read."""
        if not self.over:
            self.heard.put((key, word, value))
            self.wake()

    def wake(self):
        try:
            self.mouth.send(b".", NO_SIGNAL)
        except OSError:
            pass  # it is awake, or no more

    def finish(self):
        """What has been written to connections is on its way; then they end."""
        self.deadline = monotonic() + FINISH_SECONDS
        self.wake()
        self.running.acquire(True, FINISH_SECONDS)

    # the thread

    def run(self):
        try:
            while self.turn():
                pass
        except (OSError, Unheard):
            pass  # nobody hears us, or somebody has closed what is ours
        finally:
            self.over = True
            for connection in list(self.connections.values()):
                self.forget(connection, broken=self.deadline is None)
            for sock, _ in self.listeners.values():
                sock.close()
            while not self.heard.empty():  # nobody waits for us to read it
                self.heard.get_nowait()
            self.running.release()

    def turn(self):
        happened = self.look()
        while not self.heard.empty():
            happened = True
            self.take(*self.heard.get_nowait())
        if self.deadline is None:
            return True
        if monotonic() < self.deadline:
            if happened or not all(c.room for c in self.connections.values()):
                return True
        for connection in self.connections.values():
            if not connection.read_over:
                self.send_item(connection.key, "eof", None)
        return False

    def look(self):
        """Wait for something and do it."""
        poll = new_poll()
        poll.register(self.ear, POLLIN)
        if len(self.connections) < CONNECTIONS_MAX:
            for fd in self.listeners:
                poll.register(fd, POLLIN)
        watched = {}
        for connection in self.connections.values():
            if connection.events():
                watched[connection.sock.fileno()] = connection
                poll.register(connection.sock, connection.events())
        ending = self.deadline is not None
        stuck = ending and not all(c.room for c in self.connections.values())
        happened = False
        for fd, event in poll.poll(PAUSE_MS if stuck else 0 if ending else None):
            if event & POLLNVAL:
                raise OSError("a descriptor was closed")
            if fd in watched:
                happened = True
                self.serve(watched[fd], event)
            elif fd in self.listeners:
                happened = True
                self.accept(*self.listeners[fd])
            else:
                self.ear.recv(4096)
        return happened

    def serve(self, connection, event):
        try:
            if connection.opening and event:
                connection.opening = False
                if connection.sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR):
                    raise ConnectionError()
            if event & ~POLLOUT and connection.reads():
                self.read(connection)
            self.write(connection)
        except OSError:
            self.broke(connection)

    def read(self, connection):
        try:
            data = connection.sock.recv(min(CHUNK, connection.room))
        except BlockingIOError:
            return
        if not data:
            connection.read_over = True
        if connection.alone:
            return
        connection.room -= len(data)
        self.send(connection, *(("data", data) if data else ("eof", None)))

    def write(self, connection):
        if connection.out and not connection.opening:
            try:
                count = connection.sock.send(connection.out, NO_SIGNAL)
            except BlockingIOError:
                count = 0
            del connection.out[:count]
            if count and not connection.alone:
                self.send(connection, "took", count)
        if connection.out_over and not (connection.out or connection.opening or connection.write_over):
            connection.sock.shutdown(_socket.SHUT_WR)
            connection.write_over = True
        if connection.read_over and connection.write_over:
            self.forget(connection)

    def send(self, connection, word, value):
        try:
            self.send_item(connection.key, word, value)
        except OSError as exc:
            raise Unheard() from exc

    def take(self, key, word, value):
        connection = self.connections.get(key)
        if word == "open":
            self.open(key, value)
        elif connection is None:
            pass  # it ended while this was under way
        elif word == "data" and type(value) is bytes and not connection.out_over:
            if len(connection.out) + len(value) > WINDOW:
                return self.broke(connection)
            connection.out += value
            self.serve(connection, 0)
        elif word == "took" and type(value) is int and 0 < value <= WINDOW - connection.room:
            connection.room += value
        elif word == "eof":
            connection.out_over = True
            self.serve(connection, 0)
        else:  # "gone", or what nobody says
            self.forget(connection, broken=True)

    def broke(self, connection):
        self.forget(connection, broken=True)
        if not connection.alone:
            self.send(connection, "gone", None)

    def forget(self, connection, broken=False):
        if self.connections.pop(connection.key, None) is None:
            return
        if broken:  # who is there must not take it for the end of a whole conversation
            linger = pack_struct("ii", 1, 0)
            try:
                connection.sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, linger)
            except OSError:
                pass
        connection.sock.close()

    # the worker's side

    def listen(self, port):
        """Gives the port here that stands for `port` there."""
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        sock.bind(("127.0.0.1", 0))
        sock.listen(128)
        sock.setblocking(False)
        self.listeners[sock.fileno()] = sock, port
        return sock.getsockname()[1]

    def accept(self, listener, port):
        try:
            fd, _ = listener._accept()
        except BlockingIOError:
            return
        except OSError:
            new_poll().poll(PAUSE_MS)  # there may be no descriptor just now
            return
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, fd)
        connection = Connection(self.count, sock)
        self.connections[self.count] = connection
        self.count += 1
        self.send(connection, "open", port)

    def open(self, key, port):
        """Who listens opens nothing."""


def open_ports(channel, told):
    """The worker's side, with `told` changed accordingly; None: it needs none."""
    if not told or not told.get("ports"):
        return None
    ports = Ports(lambda key, word, value: channel.send(("front", ("net", key, word, value))))
    here = {port: ports.listen(port) for port in told["ports"]}
    told["workerinput"] = redirected(told["workerinput"], here)
    ports.start()
    return ports
