"""Plays the runner between payload.py's workers and front.py, over real workers: who is given what is
simple here, what is passed on is as the runner does it."""
import collections
import os
import pathlib
import queue
import subprocess
import sys

from execnet.gateway import Gateway
from execnet.gateway_base import Message, Popen2IO, dumps_internal, get_execmodel
from execnet.xspec import XSpec

from worker_text import worker_text

PLUGIN = pathlib.Path(__file__).resolve().parent.parent.parent / "plugins" / "pytest"
PAYLOAD = ("reports", "ending", "pytest_farflung/stand_in", "spread", "live", "need", "relay", "payload")
FRONT = ("reports", "ending", "pytest_farflung/stand_in", "front_nodes", "joined", "front")
LIMIT = 60
END = "endmarker"


def joined(parts):
    """As the build joins them."""
    return "".join((PLUGIN / f"{part}.py").read_text() for part in parts)


class Side:
    """A python worker of ours with one task in it; what it sends goes into a queue."""

    def __init__(self, id, folder, inbox, source, kwargs, pass_fds=(), python=sys.executable):
        self.id = id
        args = [python, "-u", "-c", "import sys;exec(eval(sys.stdin.readline()))"]
        self.process = subprocess.Popen(
            args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, pass_fds=pass_fds,
        )
        self.io = Popen2IO(self.process.stdin, self.process.stdout, get_execmodel("thread"))
        self.io.wait, self.io.kill = self.process.wait, self.process.kill
        self.io.write((repr("FF_ID=%r\n" % id + worker_text()) + "\n").encode())
        assert self.io.read(1) == b"1"
        self.gateway = Gateway(self.io, XSpec("popen//id=" + id))
        self.channel = self.gateway.newchannel()
        task = dumps_internal((source, "task.py", "main", kwargs))
        self.gateway._send(Message.CHANNEL_EXEC, self.channel.id, task)
        self.channel.setcallback(lambda item: inbox.put((self, item)), endmarker=END)
        self.given, self.running = [], None
        self.finished = None
        self.ended = self.collected = False

    def send(self, *item):
        try:
            self.channel.send(item)
        except OSError:
            pass  # it has ended; that comes by its endmarker

    def close(self):
        try:
            self.gateway._send(Message.GATEWAY_TERMINATE)
            self.io.close_write()
        except OSError:
            pass
        try:
            self.process.wait(LIMIT)
        finally:
            self.process.kill()
            self.process.wait()
        self.gateway.join()
        self.io.close_read()


class Play:
    """One job. `items`: all that workers said, `said`: all that the front said, as (kind, …)."""

    def __init__(self, folder, *args, workers=2, front="auto", dist="load", retries=0, restarts=4,
                 terminal=None, fds=(), maxfail=None, front_args=(), **more):
        self.folder, self.args, self.dist, self.mode = folder, list(args), dist, front
        self.inbox = queue.Queue()
        self.workers, self.count = {}, workers
        self.items, self.said, self.needs, self.withouts = [], [], {}, []
        self.text, self.finished, self.ids = "", None, None
        self.pending, self.attempts = collections.deque(), collections.Counter()
        self.outcomes, self.stopped, self.ending = {}, None, False
        self.retries, self.restarts = retries, restarts
        self.front, self.front_ready, self.for_front = None, False, []
        self.front_kwargs = dict(
            args=self.args, mainargv=["pytest", *args], dist=dist,
            specs=[{"id": f"gw{i}", "spec": "popen", "host": "local"} for i in range(workers)],
            numprocesses=workers, maxprocesses=None, testrunuid="uid", maxfail=maxfail,
            max_worker_restart=None, terminal=terminal, columns=80, color=None,
        )
        self.front_kwargs.update(more)
        self.fds = fds
        self.sides, self.unsettled = [], 0
        try:
            for i in range(workers):
                self.start_worker(f"gw{i}")
            while not self.over():
                who, item = self.inbox.get(timeout=LIMIT)
                if who is self.front:
                    self.hear_front(item)
                else:
                    self.hear_worker(who, item)
        finally:
            for side in self.sides:
                side.close()

    def over(self):
        if any(not worker.ended for worker in self.workers.values()):
            return False
        if not self.front:
            return True
        if not self.ending:
            self.ending = True
            self.tell_front("end", False, "")
        return self.front.ended

    def start_worker(self, id):
        kwargs = dict(
            args=self.args, workerid=id, workercount=self.count, testrunuid="uid",
            mainargv=["pytest", *self.args], dist=self.dist, output_cap=0, front=self.mode,
        )
        side = Side(id, self.folder, self.inbox, joined(PAYLOAD), kwargs)
        self.sides.append(side)
        self.workers[id] = side

    def tell_front(self, *message):
        if self.front:
            self.front.send(*message)

    # what comes

    def hear_front(self, item):
        if item == END:
            self.front.ended = True
            assert self.finished is not None, "the front's end came without its last word"
            return
        self.said.append(item)
        if item[0] == "finished":
            self.finished = item[1]
            if not self.ending:
                for worker in self.workers.values():
                    worker.send("end")
        elif item[0] == "to":
            self.workers[item[1]].send("front", item[2])
        elif item[0] == "text":
            self.text += item[1]
        elif item[0] == "again":
            self.pending.append(self.ids.index(item[1]))
            self.give_all()
        elif item[0] == "settled":
            self.unsettled -= 1
            self.give_all()
        elif item[0] == "stop":
            self.stop(item[1])

    def stop(self, why):
        if self.stopped is None:
            self.stopped = why
            self.pending.clear()
            self.tell_front("stop", why)
            for worker in self.workers.values():
                worker.send("drop", None)
                worker.send("end")

    def hear_worker(self, worker, item):
        if item == END:
            self.worker_ended(worker)
            return
        self.items.append((worker.id, item))
        kind = item[0]
        if kind == "need":
            self.needs[worker.id] = item[1]
            if self.finished:
                worker.send("end")
            if not self.front:
                self.front = Side("front", self.folder, self.inbox, joined(FRONT), self.front_kwargs,
                                  self.fds)
                self.sides.append(self.front)
            about = {"spec": "popen", "host": "local", "python": sys.executable,
                     "chdir": str(self.folder), "local": True, "about": item[2]}
            self.tell_front("node", worker.id, about)
        elif kind == "without":
            self.withouts.append(item[1])
        elif kind == "front":
            self.tell_front("from", worker.id, item[1])
        elif kind == "collected":
            worker.collected = True
            if item[1]["collectonly"]:
                worker.send("end")
            elif self.ids is None:
                worker.send("list")
            else:
                self.give(worker)
        elif kind == "ids":
            if self.ids is None:
                self.ids = item[1]
                self.pending.extend(range(len(item[1])))
            self.give_all()
        elif kind == "start":
            worker.running = item[1]
        elif kind in ("done", "next"):
            done = item if kind == "done" else item[1]
            worker.running = item[2] if kind == "next" else None
            self.done(worker, done)
        elif kind == "want":
            self.give(worker, wanting=True)
        elif kind == "finished":
            worker.finished = item[1]

    def done(self, worker, done):
        index, outcome = done[1], done[2]
        worker.given.remove(index)
        self.attempts[index] += 1
        again = outcome in ("failed", "error") and self.attempts[index] <= self.retries
        self.outcomes.setdefault(index, []).append(outcome)
        self.tell_front("test", worker.id, index, done[10], again)
        if again:
            self.pending.append(index)
        self.give_all()

    def give_all(self):
        for worker in self.workers.values():
            self.give(worker)

    def give(self, worker, wanting=False):
        if worker.ended or not worker.collected or self.ids is None or self.stopped is not None:
            return
        part = []
        while self.pending and len(worker.given) < 2 + 20 * (len(self.pending) > 200):
            part.append(self.pending.popleft())
            worker.given.append(part[-1])
        if part:
            worker.send("run", part)
        elif wanting:
            worker.send("idle")
        if not self.pending and not self.unsettled and not any(w.given for w in self.workers.values()):
            for each in self.workers.values():
                each.send("end")

    def worker_ended(self, worker):
        worker.ended = True
        if worker.finished is not None:
            lost = "" if not worker.given else worker.finished["stop"]
            for index in worker.given:
                self.tell_front("lost", index, self.ids[index], lost)
            if worker.finished["exitstatus"] == 2 and self.stopped is None and self.ids:
                self.stop(worker.finished["stop"])
            self.tell_front("down", worker.id, None)
            return
        error = "killed by signal %d" % -worker.process.wait(LIMIT)
        index = worker.running
        nodeid = None if index is None else self.ids[index]
        self.unsettled += nodeid is not None and self.front is not None
        self.tell_front("crash", worker.id, index, nodeid, error, False)
        self.tell_front("down", worker.id, error)
        if index is not None:
            self.outcomes.setdefault(index, []).append("crashed")
            worker.given.remove(index)
        self.pending.extendleft(reversed(worker.given))
        worker.given = []
        if self.restarts:
            self.restarts -= 1
            self.start_worker(f"gw{len(self.workers)}")
        self.give_all()

    # what tests ask

    def named(self, kind):
        return [item[1:] for item in self.said if item[0] == kind]

    def results(self):
        return {self.ids[index]: outcomes for index, outcomes in self.outcomes.items()}
