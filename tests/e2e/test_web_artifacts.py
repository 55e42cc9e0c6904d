"""Artifacts on the page: listed, and downloaded as files that nobody's browser runs."""
import json
import os
import urllib.parse

import pytest

from conftest import write
from test_html import Page
from test_web import check, web  # noqa: F401

HOSTS = "version: 1\ninventory: [{spec: popen, name: box, chdir: box}]\n"
NAMES = ["<img src=x>.html", "a b'\"&;.txt", "ends.", "é世.svg", "x\u202egnp.exe", "..dots", "%2e%2e", "-rf", "new\rline"]
LIST = "/api/v1/runs/{run}/artifacts/{left}"


def one_run(served):
    (one,) = served.json("/api/v1/runs")["runs"]
    return f"/api/v1/runs/{one['id']}"


def left_of(served, base, row=0):
    found = served.json(f"{base}/rows/{row}")
    check(found, "/api/v1/runs/{run}/rows/{row}")
    return found["artifacts"]


def listed(served, base, left):
    found = served.json(f"{base}/artifacts/{left['number']}")
    check(found, LIST)
    return found["files"]


def make(farflung, files, **also):
    for name, content in files.items():
        write(farflung.cwd / "box" / "d" / name, content)
    done = farflung.run_yaml(HOSTS + "jobs:\n  j: {run: 'true', artifacts: d}\n", code=0, **also)
    return farflung.cwd / "out" / "j" / "j" / "d", done


def test_they_are_listed_and_downloaded(farflung, web):  # noqa: F811
    make(farflung, {"log.txt": "0123456789", "deep/page.html": "<script>alert(1)</script>", "empty": ""})
    served = web()
    base = one_run(served)
    left = left_of(served, base)
    assert (left["host"], left["files"], left["bytes"], left["attempt"]) == ("box", 3, 35, 1)
    files = {one["path"]: one for one in listed(served, base, left)}
    assert {path: one["size"] for path, one in files.items()} == {"d/log.txt": 10, "d/deep/page.html": 25, "d/empty": 0}
    sums = (farflung.cwd / "out/j/j/.farflung.sums").read_text().splitlines()
    assert sorted(f"{one['sum']}  {path}" for path, one in files.items()) == sorted(sums)
    for path, content in (("d/log.txt", b"0123456789"), ("d/deep/page.html", b"<script>alert(1)</script>"), ("d/empty", b"")):
        status, headers, body = served.ask(f"{base}/artifacts/{left['number']}/{files[path]['number']}")
        assert (status, body) == (200, content)
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"].startswith(f'attachment; filename="{path.split("/")[-1]}"; filename*=UTF-8\'\'')
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert int(headers["Content-Length"]) == len(content)


@pytest.mark.parametrize("asked, status, body, about", [
    ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
    ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
    ("bytes=-3", 206, b"789", "bytes 7-9/10"),
    ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
    ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
    ("bytes=10-", 416, None, None),
    ("bytes=-0", 416, None, None),
    ("bytes=3-2", 200, b"0123456789", None),
    ("bytes=0-1,3-4", 200, b"0123456789", None),
    ("bytes=-", 200, b"0123456789", None),
    ("bytes=18446744073709551615-", 200, b"0123456789", None),
    ("lines=0-1", 200, b"0123456789", None),
])
def test_ranges(farflung, web, asked, status, body, about):  # noqa: F811
    make(farflung, {"log.txt": "0123456789"})
    served = web()
    base = one_run(served)
    got, headers, told = served.ask(f"{base}/artifacts/{left_of(served, base)['number']}/0", Range=asked)
    assert (got, headers["Content-Range"]) == (status, about)
    assert body is None or told == body


def test_hostile_names(farflung, web):  # noqa: F811
    make(farflung, {name: name for name in NAMES})
    served = web()
    base = one_run(served)
    left = left_of(served, base)
    files = {one["path"]: one["number"] for one in listed(served, base, left)}
    assert set(files) == {f"d/{name}" for name in NAMES}
    for name in NAMES:
        status, headers, body = served.ask(f"{base}/artifacts/{left['number']}/{files['d/' + name]}")
        assert (status, body.decode()) == (200, name)
        plain, encoded = headers["Content-Disposition"].removeprefix('attachment; filename="').split("\"; filename*=UTF-8''")
        assert plain and not plain.startswith(".") and all(c.isascii() and (c.isalnum() or c in "_-.") for c in plain), plain
        assert set(encoded) <= set("%0123456789ABCDEF"), encoded
        shown = urllib.parse.unquote(encoded)
        assert "\u202e" not in shown and "\r" not in shown
        if name.isprintable():
            assert shown == name


def test_only_what_was_brought(farflung, web):  # noqa: F811
    """Links, folders, pipes, what lies beside, and a list that names what is elsewhere: none of it is given away."""
    secret = write(farflung.cwd / "secret", "secret")
    out, _ = make(farflung, {name: name for name in ("fine", "link", "hard-to-say", "pipe", "folder", "gone", "sub/below")})
    folder = out.parent
    for name in ("link", "pipe", "folder", "gone"):
        (out / name).unlink()
    (out / "link").symlink_to(secret)
    os.mkfifo(out / "pipe")
    (out / "folder").mkdir()
    (out / "sub" / "below").unlink()
    (out / "sub").rmdir()
    (out / "sub").symlink_to(secret.parent)
    write(secret.parent / "below", "secret")
    write(out / "not-listed", "secret")
    sums = folder / ".farflung.sums"
    told = sums.stat()
    more = "".join(f"{'0' * 32}  {path}\n" for path in ("../secret", "d/../../../../secret", str(secret), ".farflung.sums/", "d/./fine", "d//fine", "", "."))
    sums.write_text(sums.read_text() + more + "no sum  d/fine\n" + "z" * 32 + "  d/fine\n")
    os.utime(sums, ns=(told.st_atime_ns, told.st_mtime_ns))
    served = web()
    base = one_run(served)
    left = left_of(served, base)
    files = listed(served, base, left)
    assert sorted(one["path"] for one in files if "size" in one) == ["d/fine", "d/hard-to-say"]
    assert sorted(one["path"] for one in files if "size" not in one) == ["d/folder", "d/gone", "d/link", "d/pipe", "d/sub/below"]
    for one in files:
        status, _, body = served.ask(f"{base}/artifacts/{left['number']}/{one['number']}")
        assert b"secret" not in body
        assert status == (200 if "size" in one else 404)
    for path in (f"{left['number']}/{len(files)}", f"{left['number']}/-1", f"{left['number']}/4294967295", f"{left['number']}/..%2f..%2fsecret",
                 f"{left['number']}/0/..", "../..", "1", "4294967296", "x", ""):
        status, _, body = served.ask(f"{base}/artifacts/{path}")
        assert status == 404 and b"secret" not in body, path


@pytest.mark.parametrize("folder", ["/etc", "/proc/self", "relative", "", "/nowhere/at/all"])
def test_a_journal_that_names_other_folders(farflung, web, folder):  # noqa: F811
    make(farflung, {"x": "x"})
    journal = farflung.cwd / ".farflung/runs" / (farflung.cwd / ".farflung/runs/last").readlink() / "journal.jsonl"
    lines = [json.loads(one) for one in journal.read_text().splitlines()]
    for one in lines:
        if one["event"] == "unit-artifacts":
            one["folder"] = folder
    journal.write_text("".join(json.dumps(one) + "\n" for one in lines))
    served = web()
    base = one_run(served)
    left = left_of(served, base)
    assert served.json(f"{base}/artifacts/{left['number']}", code=404) == {"error": "they are not there any more"}
    assert served.ask(f"{base}/artifacts/{left['number']}/0")[0] == 404


def test_a_folder_that_is_a_link(farflung, web):  # noqa: F811
    make(farflung, {"x": "x"})
    folder = farflung.cwd / "out" / "j" / "j"
    folder.rename(farflung.cwd / "moved")
    folder.symlink_to(farflung.cwd / "moved")
    served = web()
    base = one_run(served)
    assert served.ask(f"{base}/artifacts/{left_of(served, base)['number']}")[0] == 404


def test_those_of_a_later_run_are_not_this_runs(farflung, web):  # noqa: F811
    make(farflung, {"x": "one"})
    sums = farflung.cwd / "out/j/j/.farflung.sums"
    later = sums.stat().st_mtime + 60
    os.utime(sums, (later, later))
    served = web()
    base = one_run(served)
    told = served.json(f"{base}/artifacts/{left_of(served, base)['number']}", code=404)
    assert told == {"error": "a later run has brought others there since"}


def test_a_window_of_many(farflung, web):  # noqa: F811
    make(farflung, {f"f{i:03}": "x" for i in range(250)})
    served = web()
    base = one_run(served)
    number = left_of(served, base)["number"]
    paths = []
    for start in (0, 100, 200, 300):
        part = served.json(f"{base}/artifacts/{number}?from={start}&count=100")
        check(part, LIST)
        assert part["found"] == 250 and len(part["files"]) == min(100, max(0, 250 - start))
        paths += [one["path"] for one in part["files"]]
    assert sorted(paths) == [f"d/f{i:03}" for i in range(250)]
    assert served.ask(f"{base}/artifacts/{number}?count=1001")[0] == 400


def test_a_report_says_where_they_are(farflung):
    write(farflung.cwd / "box" / "d" / "x", "x")
    farflung.run_yaml(HOSTS + "jobs:\n  j: {run: 'true', artifacts: d}\n  none: {run: 'true'}\n", "--html", "r.html", code=0)
    page = Page(farflung.cwd / "r.html")
    rows = {name: number for number, name in enumerate(page.rows["name"])}
    assert {number: (one["files"], one["folder"]) for number, one in page.value("left").items()} == {str(rows["j"]): (1, str(farflung.cwd / "out/j/j"))}


def test_what_sessions_left(farflung, web, python):  # noqa: F811
    write(farflung.cwd / "t" / "test_x.py", "import pathlib\ndef test_x(): pathlib.Path('left.log').write_text('x')\n")
    farflung.run_yaml("version: 1\ninventory: [{spec: popen, name: box}]\njobs:\n  py: {pytest: [t], artifacts: left.log}\n", code=0)
    served = web()
    base = one_run(served)
    run = served.json(base)
    check(run, "/api/v1/runs/{run}")
    (left,) = run["jobs"][0]["artifacts"]
    assert left["host"] == "box" and "attempt" not in left
    assert [one["path"] for one in listed(served, base, left)] == ["left.log"]
