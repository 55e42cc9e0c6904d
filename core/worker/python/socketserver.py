# The socket server for hosts that have only Python (3.7 or newer): accepts connections, has them
# prove that they know the token, and runs a Python for each, which executes the line it is sent.
#
#     python3 socketserver.py [HOST:PORT] [--token-file FILE] [--once]
#         [--insecure-no-encryption] [--insecure-allow-anyone-to-execute-code]
#
# A token means TLS 1.3 where Python can do that with pre-shared keys (3.13). Elsewhere both sides can
# only prove that they know it; the connection itself is then open to whoever can reach the wire, so
# that is done on loopback addresses, or on demand. It is also what installvia= sends to a gateway.
import hashlib
import hmac
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

TOKEN_MIN, TOKEN_MAX = 32, 4096
SHAKE_S = 10  # until the token is proved
INSTALL_S = 30  # until somebody connects to what installvia= started
STOP_S = 5
PENDING_MAX = 64
CHUNK = 1 << 16
HIGH = 1 << 20
IDENTITY = "farflung"
NO_TLS = b"\x15\3\3\0\2\2F"  # an alert, protocol_version, for who did not speak TLS
CHALLENGE = "farflung-token-1 "

WORKER = """\
import os, socket
clientsock = socket.socket(fileno=os.dup(0))
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)
line = b''
while line[-1:] != b'\\n':
    seen = clientsock.recv(65536, socket.MSG_PEEK)
    if not seen:
        raise SystemExit(1)
    line += clientsock.recv(seen.find(b'\\n') + 1 or len(seen))
exec(eval(line), {'__name__': '__main__', 'clientsock': clientsock, 'address': None})
"""


class Refused(Exception):
    """Its text alone becomes the channel's error, or is logged."""

    def __init__(self, text):
        Exception.__init__(self, text)
        self.ff_text = text


def log(text):
    sys.stderr.write("socketserver: %s\n" % text)
    sys.stderr.flush()


# --- the token ---


def read_token(path):
    with open(path, "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise Refused("token file %r is no regular file" % path)
        if info.st_uid not in (os.geteuid(), 0):
            raise Refused("token file %r belongs to somebody else" % path)
        if info.st_mode & 0o77:
            raise Refused("token file %r is open to others: chmod 600 it" % path)
        secret = file.read(TOKEN_MAX + 2).rstrip(b" \t\r\n")
    if not TOKEN_MIN <= len(secret) <= TOKEN_MAX:
        raise Refused("a token has from %d to %d characters" % (TOKEN_MIN, TOKEN_MAX))
    return secret


def hash_of(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256)


def tls_context(secret):
    """None: this Python has no TLS with pre-shared keys."""
    try:
        import ssl
    except ImportError:
        return None
    if not getattr(ssl, "HAS_PSK", False) or not ssl.HAS_TLSv1_3:
        return None
    key = hash_of(secret, "farflung socket server: TLS key").digest()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_psk_server_callback(lambda name: key if name == IDENTITY else b"")
    return context


def read_line(conn, limit):
    line = b""
    while line[-1:] != b"\n":
        if len(line) >= limit:
            raise Refused("no proof of the token")
        data = conn.recv(1)
        if not data:
            raise Refused("it left without a word")
        line += data
    return line[:-1].decode("ascii", "replace")


def demand_proof(conn, secret):
    key = hash_of(secret, "farflung socket server: proof key").digest()
    ours = os.urandom(32).hex()
    conn.sendall((CHALLENGE + ours + "\n").encode())
    theirs, _, proof = read_line(conn, 160).partition(" ")
    wanted = hash_of(key, "client %s %s" % (ours, theirs)).hexdigest()
    if len(theirs) != 64 or not hmac.compare_digest(proof.encode(), wanted.encode()):
        raise Refused("wrong token")
    conn.sendall((hash_of(key, "server %s %s" % (ours, theirs)).hexdigest() + "\n").encode())


# --- one connection ---


def relay(tls, pair):
    """Bytes between a TLS connection and a worker, until the worker has ended its output."""
    import ssl

    again = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)
    tls.setblocking(False)
    pair.setblocking(False)
    to_worker, to_peer = bytearray(), bytearray()
    hears, asked = True, False
    while True:
        listen = hears and len(to_worker) < HIGH
        read = [tls] * listen + [pair] * (len(to_peer) < HIGH)
        write = [tls] * bool(to_peer) + [pair] * bool(to_worker)
        ready = select.select(read, write, [], 0 if listen and tls.pending() else None)
        if listen and (tls in ready[0] or tls.pending()):
            try:
                data = tls.recv(CHUNK)
                to_worker += data
                hears = bool(data)
            except again:
                pass
        if to_worker:
            try:
                del to_worker[: pair.send(to_worker)]
            except BlockingIOError:
                pass
            except OSError:
                del to_worker[:]  # it reads no more
        if not hears and not to_worker and not asked:
            asked = True
            pair.shutdown(socket.SHUT_WR)
        if pair in ready[0]:
            data = pair.recv(CHUNK)
            if not data:
                break
            to_peer += data
        if to_peer:
            try:
                del to_peer[: tls.send(to_peer)]
            except again:
                pass
    tls.setblocking(True)
    tls.settimeout(SHAKE_S)
    tls.sendall(to_peer)
    tls.setblocking(False)
    try:
        tls.unwrap()
    except OSError:
        pass  # said; whether it is answered is no matter


class Server:
    def __init__(self, host, port, secret, anyone=False, unencrypted=False):
        self.secret = secret
        self.context = tls_context(secret) if secret else None
        self.mode = "plain" if not secret else "tls" if self.context else "proof"
        self.lock = threading.Lock()
        self.pending = []
        self.workers = []
        self.wake = None
        infos = socket.getaddrinfo(
            host or None, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE
        )
        infos.sort(key=lambda info: info[0] != socket.AF_INET)
        family, _, _, _, address = infos[0]
        local = address[0] == "::1" or address[0].startswith("127.")
        if self.mode == "plain" and not local and not anyone:
            raise Refused("%s: anybody could execute code here: a token is needed" % address[0])
        if self.mode == "proof" and not local and not unencrypted:
            raise Refused(
                "%s: Python %s has no TLS with tokens (3.13 has), and without it the connection is "
                "not protected" % (address[0], sys.version.split()[0])
            )
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.sock.bind(address)
            self.sock.listen(128)
        except OSError as exc:
            self.sock.close()
            raise Refused("cannot listen on %s: %s" % (address[0], exc)) from None
        self.address = self.sock.getsockname()[:2]

    def authenticate(self, conn, raw):
        """The connection, with both sides sure of each other; Refused if not."""
        conn.settimeout(SHAKE_S)
        if self.mode == "tls":
            import ssl

            try:
                conn = self.context.wrap_socket(
                    conn, server_side=True, suppress_ragged_eofs=False
                )
                if not conn.session_reused:
                    raise Refused("no token")
            except ssl.SSLError as exc:
                if "BINDER" in (exc.reason or ""):
                    raise Refused("wrong token") from None
                if "ALERT" not in (exc.reason or ""):
                    raw.sendall(NO_TLS)
                raise Refused("no TLS 1.3 with a token (%s)" % exc) from None
        elif self.mode == "proof":
            demand_proof(conn, self.secret)
        else:
            conn.recv(1, socket.MSG_PEEK)  # whoever says nothing gets no process
        return conn

    def admit(self, conn):
        """Authenticates within a bound of time and number. None: refused."""
        raw = conn.dup()  # wrapping takes the first one
        with self.lock:
            self.pending.append(raw)
            if len(self.pending) > PENDING_MAX:
                cut(self.pending.pop(0))
        alarm = threading.Timer(SHAKE_S, cut, (raw,))
        alarm.daemon = True
        alarm.start()
        try:
            return self.authenticate(conn, raw)
        finally:
            alarm.cancel()
            with self.lock:
                if raw in self.pending:
                    self.pending.remove(raw)
                raw.close()

    def start(self, conn):
        """A worker for an admitted connection: the process, and our end of its socket or None."""
        conn.setblocking(True)
        pair = theirs = None
        if self.mode == "tls":
            pair, theirs = socket.socketpair()
        try:
            process = subprocess.Popen(
                [sys.executable or "python3", "-u", "-c", WORKER],
                stdin=theirs or conn,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            if theirs is not None:
                theirs.close()
        with self.lock:
            self.workers.append(process)
        return process, pair

    def serve(self, conn, address, served=None):
        """From the first byte to the worker's end. True: a worker ran."""
        peer = "%s:%d" % address[:2]
        try:
            try:
                conn = self.admit(conn)
            except (Refused, OSError) as exc:
                log("%s: refused: %s" % (peer, exc))
                return False
            if served is not None and not served():
                return False
            process, pair = self.start(conn)
            log("%s: python worker runs, pid %d" % (peer, process.pid))
            if pair is None:
                conn.close()
            else:
                try:
                    relay(conn, pair)
                except OSError as exc:
                    log("%s: the connection was lost: %s" % (peer, exc))
                pair.close()
            log("%s: the worker ended: %d" % (peer, process.wait()))
            with self.lock:
                self.workers.remove(process)
            return True
        finally:
            conn.close()

    def finish(self, word=b""):
        """Says that all is done, once."""
        with self.lock:
            fd, self.wake = self.wake, None
            if fd is not None:
                os.write(fd, word)
                os.close(fd)

    def stop(self):
        """Kills what does not end by itself."""
        self.sock.close()
        with self.lock:
            workers = list(self.workers)
        deadline = time.monotonic() + STOP_S
        for process in workers:
            kill(process, signal.SIGTERM)
        for process in workers:
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            kill(process, signal.SIGKILL)


def cut(conn):
    try:
        conn.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def kill(process, number):
    try:
        os.killpg(process.pid, number)
    except OSError:
        pass


# --- as a program ---


def run(server, once, ended=None, deadline=None):
    """Accepts. With `once`, until a worker has run; until `ended` can be read, too."""
    first = threading.Lock()
    done, server.wake = os.pipe()

    def served():
        return not once or first.acquire(False)

    def handle(conn, address):
        if server.serve(conn, address, served) and once:
            server.finish(b"x")

    try:
        while True:
            watched = [done] + [ended] * (ended is not None)
            left = None
            if not first.locked():
                watched.append(server.sock)
                left = None if deadline is None else max(0, deadline - time.monotonic())
            ready = select.select(watched, [], [], left)[0]
            if done in ready or ended in ready:
                return
            if server.sock in ready:
                conn, address = server.sock.accept()
                threading.Thread(target=handle, args=(conn, address), daemon=True).start()
            elif not ready and not first.locked():
                raise Refused("nobody connected within %d s" % INSTALL_S)
    finally:
        server.finish()
        os.close(done)


def main(words):
    import argparse

    parser = argparse.ArgumentParser(prog="socketserver.py")
    parser.add_argument("address", nargs="?", metavar="HOST:PORT")
    parser.add_argument("--listen", metavar="HOST:PORT", default=":8888")
    parser.add_argument("--token-file", metavar="FILE")
    parser.add_argument("--once", action="store_true", help="serve one client, then end")
    parser.add_argument("--insecure-no-encryption", action="store_true",
                        help="with a token, but without TLS, on any address")
    parser.add_argument("--insecure-allow-anyone-to-execute-code", action="store_true",
                        help="without a token, on any address")
    args = parser.parse_args(words)
    host, _, port = (args.address or args.listen).rpartition(":")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = None
    try:
        secret = read_token(args.token_file) if args.token_file else None
        server = Server(
            host.strip("[]"),
            int(port),
            secret,
            args.insecure_allow_anyone_to_execute_code,
            args.insecure_no_encryption,
        )
        if server.mode == "plain":
            log("no token: whoever can connect can execute code here as this user")
        print("listening on %s:%d" % server.address, flush=True)
        run(server, args.once)
    except (Refused, OSError, ValueError) as exc:
        log(exc)
        return 2
    except KeyboardInterrupt:
        pass
    finally:
        if server is not None:
            server.stop()
    return 0


# --- through a gateway ---


def install(host, port, secret, tell, ended=None):
    """One worker: `tell` hears where; when `ended` can be read, it is over."""
    server = Server(host, port, secret.encode())
    try:
        tell("farflung-listening %s %d %s" % (server.address + (server.mode,)))
        run(server, True, ended, time.monotonic() + INSTALL_S)
    finally:
        server.stop()


def socketserver(channel, host="localhost", port=0, secret=""):
    ended, theirs = os.pipe()
    gate = [theirs]

    def end(_=None):
        try:
            os.close(gate.pop())
        except IndexError:
            pass

    channel.setcallback(end, endmarker=None)
    try:
        install(host, port, secret, channel.send, ended)
    finally:
        end()
        os.close(ended)


if __name__ == "__main__":
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: nothing else may get its number
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            if number == 2:
                sys.stderr = open(2, "w", 1, closefd=False)
    if "FF_INSTALL" in globals():
        try:
            install(*FF_INSTALL, tell=lambda line: print(line, flush=True))  # noqa: F821
        except Refused as refused:
            sys.exit(refused.ff_text)
    else:
        sys.exit(main(sys.argv[1:]))
