"""What pages of runs cost: a run that is looked at, journals of many units, a report in one file."""
import datetime
import heapq
import http.client
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import urllib.parse

from common import ROUNDS, log, timed
from make_suite import make_suite

BROWSERS = 3
MANY = 1000000
REPORTED = 20000
RUN = "20260102-030405-abcd"


def write_journal(home, units):
    """As a run of commands over two hosts of 20 slots leaves it; one unit in 1,000 has failed."""
    folder = home / ".farflung" / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "output").write_bytes(b"")
    began, draw = datetime.datetime(2026, 1, 2, 3, 4, 5), random.Random(1)
    with open(folder / "journal.jsonl", "w") as out:
        seq = 0

        def say(us, text):
            nonlocal seq
            seq += 1
            at = (began + datetime.timedelta(microseconds=us)).isoformat(timespec="microseconds")
            out.write(f'{{"seq":{seq},"time":"{at}Z","event":{text}}}\n')

        say(0, f'"run-started","run":"{RUN}","version":"0","config":"f.yaml","command":"run","directory":"/","hosts":2,"slots":40,"jobs":1,"machine":"m","pid":1')
        for host in "ab":
            say(0, f'"host-added","host":"{host}","spec":"popen","slots":20')
        say(0, f'"job-added","job":"j","payload":"run","units":{units},"timeout_us":0,"addopts_read":false,"open":false')
        for host in "ab":
            say(0, f'"host-joining","host":"{host}","tries":1')
        say(0, f'"job-started","job":"j","payload":"run","workers":40,"units":{units},"slots":1')
        for host in "ab":
            say(0, f'"host-opened","host":"{host}","peer":"popen","platform":"Linux","cwd":"/","native":true,"took_us":1')
            say(0, f'"host-ready","host":"{host}","peer":"popen","platform":"Linux","cwd":"/","native":true,"slots":20,"took_us":1')
        running, failed, now, begun = [], 0, 0, 0
        while begun < units or running:
            if begun < units and len(running) < 40:
                host = "ab"[begun % 2] if begun < 40 else host
                say(now, f'"unit-started","job":"j","unit":"j[n={begun}]","index":{begun},"host":"{host}","attempt":1')
                heapq.heappush(running, (now + draw.randint(500, 100000), begun, host, now))
                begun += 1
                continue
            now, unit, host, since = heapq.heappop(running)
            bad = unit % 1000 == 7
            failed += bad
            result = f'{{"outcome":"failed","duration_us":{now - since},"status":3,"message":"exit status 3"}}' if bad else f'{{"outcome":"passed","duration_us":{now - since},"status":0}}'
            say(now, f'"unit-finished","job":"j","unit":"j[n={unit}]","index":{unit},"host":"{host}","attempt":1,"final":true,"result":{result}')
        counts = f'"counts":{{"total":{units},"passed":{units - failed},"failed":{failed}}}'
        say(now, f'"job-finished","job":"j","state":"failed",{counts},"problems":0,"took_us":{now}')
        say(now, f'"run-finished","exit_code":1,"reason":"{failed} failed",{counts},"took_us":{now}')


class Browser:
    """Asks for what a page of a run asks for."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.port, token = parts.port, urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        self.headers = {"Cookie": f"farflung-{self.port}={token}", "Accept-Encoding": "gzip"}
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path):
        self.connection.request("GET", path, headers={name: value for name, value in self.headers.items() if name != "Accept-Encoding" or "/api/" not in path})
        return self.connection.getresponse().read()

    def open(self, run):
        """To the first paint: the page, its code, and what its first view wants."""
        page = self.get(f"/runs/{run}").decode()
        for path in json.loads(re.search(r'importmap">(.*?)</script>', page).group(1))["imports"].values():
            self.get(path)
        return self.look(run)

    def look(self, run):
        state = json.loads(self.get(f"/api/v1/runs/{run}"))
        self.get(f"/api/v1/runs/{run}/rows?sort=slowest&count=10")
        return state

    def follow(self, run):
        """Until it is over, as a page does: news, and half a second after each."""
        with_news = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with_news.request("GET", f"/api/v1/runs/{run}/events", headers=self.headers)
        stream = with_news.getresponse()
        try:
            for line in stream:
                if line.startswith(b"event: over"):
                    return
                if line.startswith(b"event: news"):
                    self.look(run)
                    time.sleep(0.5)
        except (OSError, http.client.HTTPException):
            pass


def shown(bench):
    """10,000 trivial tests with three browsers that look on: the run's time and CPU."""
    work = bench.scratch / "shown"
    make_suite(work, 500, 20)

    def run(*options):
        began = time.perf_counter()
        process = subprocess.Popen([bench.program("farflung"), "pytest", "-q", "-n2", "--front", "never", *options], cwd=work,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threads = []
        for line in process.stderr:
            if found := re.search(r"web: (http\S+)", line):
                name = re.search(r"/runs/([^?]+)", found[1])[1]
                for _ in range(BROWSERS):
                    browser = Browser(found[1])
                    threads.append(threading.Thread(target=lambda one=browser: (one.open(name), one.follow(name))))
                    threads[-1].start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - began
        for thread in threads:
            thread.join()
        if process.returncode != 0:
            raise SystemExit(f"shown: exit {process.returncode}")
        return took, usage.ru_utime + usage.ru_stime

    plain, looked_at = [], []
    for _ in range(max(5, ROUNDS)):
        plain.append(run())
        looked_at.append(run("--web=0"))
    log({"plain": plain, "web": looked_at})
    for name, which in (("time", 0), ("CPU", 1)):
        ours, theirs = (sorted(one[which] for one in figures)[len(figures) // 2] for figures in (looked_at, plain))
        bench.line(f"--web, 3 browsers, {name}", ours, theirs, 1.03)


def million(bench):
    """A journal of a million units: to the first paint of the run's page, and of the timeline."""
    home = bench.scratch / "million"
    write_journal(home, MANY)
    pages, timelines, alls = [], [], []
    for _ in range(max(3, ROUNDS)):
        process = subprocess.Popen([bench.program("farflung"), "web", "--listen", "0"], cwd=home, stdout=subprocess.PIPE, text=True)
        browser = Browser(process.stdout.readline().strip())
        began = time.perf_counter()
        state = browser.open(RUN)
        pages.append(time.perf_counter() - began)
        began = time.perf_counter()
        browser.get(f"/api/v1/runs/{RUN}/timeline?pixels=1200")
        timelines.append(time.perf_counter() - began)
        while state["read"] < 1000:
            time.sleep(0.1)
            state = browser.look(RUN)
        alls.append(time.perf_counter() - began)
        assert state["by_state"] == {"passed": MANY - MANY // 1000, "failed": MANY // 1000}
        began = time.perf_counter()
        browser.get(f"/api/v1/runs/{RUN}/timeline?pixels=1200")
        timelines.append(time.perf_counter() - began)
        peak = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{process.pid}/status").read())[1])
        process.send_signal(signal.SIGINT)
        process.wait()
    log(f"million: all of the journal was read after {sorted(alls)[len(alls) // 2]:.1f} s; peak {peak >> 10} MiB")
    bench.limit("1,000,000, the run", sorted(pages)[len(pages) // 2], 1.0, "s")
    bench.limit("1,000,000, timeline", max(timelines), 2.0, "s")


def report(bench):
    """--html of 20,000 units, beyond telling the journal again."""
    home = bench.scratch / "report"
    write_journal(home, REPORTED)
    told, written = bench.in_turn(
        max(5, ROUNDS), told=lambda: timed([bench.program("farflung"), "replay", "-q", RUN], cwd=home),
        written=lambda: timed([bench.program("farflung"), "replay", "-q", RUN, "--html", "r.html"], cwd=home))
    bench.limit("--html, 20,000 units", written - told, 1.0, "s")
    bench.limit("--html, 20,000 units", (home / "r.html").stat().st_size / (1 << 20), 6.0, "MiB")


def pages(bench):
    shown(bench)
    million(bench)
    report(bench)
