# The pytest payload's first part, which the build joins with payload.py into one text: texts, values
# and reports of a test, made of builtin types so that they can be sent. Whatever a test, a plugin or
# a value of theirs does wrong here costs that one value, never the session.
import io
from time import perf_counter as clock

TEXT_MAX = 16 << 20  # characters of one text: a frame has a limit, and it must not cost the session
OUTPUT_MAX = 256 << 20  # bytes of captured output of one test, where the job sets no limit
PLAIN_MAX = 10000  # values inside one value
INT_BITS_MAX = 13000  # what can still be sent as decimal digits
PYTEST_FRAMES = ("/_pytest/", "/pluggy/", "/site-packages/pytest/")  # of no interest in tracebacks


class Nowhere(io.TextIOBase):
    """What a terminal reporter writes to here: what we tell goes through the channel."""

    encoding = "utf-8"

    def writable(self):
        return True

    def write(self, text):
        return len(text)


def harmless(function):
    """What it can't read of an odd report or header costs nobody anything: it would only be shown."""

    def guarded(*args):
        try:
            return function(*args)
        except Exception:
            return None

    return guarded


def noteworthy(reporter, function):
    """Set-ups and teardowns that went well, which are the most, are only counted: in the end they would be."""
    count = getattr(reporter, "_add_stats", None)

    def guarded(report):
        if count is None or report.outcome != "passed" or report.when == "call":
            function(report)
        else:
            count("", [report])

    return guarded


class Silence:
    """A plugin that lets the terminal reporter, whichever plugin brings it, write to nowhere. It has
    to be there: plugins look for it, and so does pytest to explain an assertion (8.0 to 9.0)."""

    def __init__(self, colours):
        self.colours = colours  # whoever shows the explanations may have them

    def pytest_plugin_registered(self, plugin, manager):
        writer = getattr(plugin, "_tw", None)
        if writer and manager.get_name(plugin) == "terminalreporter":
            writer._file = Nowhere()
            if not self.colours:
                writer.hasmarkup = False  # FORCE_COLOR would put codes into messages
            writer.write = writer.line = self.write  # some µs of each test: columns, colours
            plugin._showfspath = plugin._show_progress_info = False
            for name in (
                "sessionstart", "collection_finish", "collectreport", "runtest_logreport",
                "warning_recorded",
            ):  # fmt: skip
                caller = getattr(manager.hook, "pytest_" + name, None)
                for impl in caller.get_hookimpls() if caller else ():
                    if impl.plugin is plugin and not impl.hookwrapper:
                        if name == "runtest_logreport":
                            impl.function = noteworthy(plugin, impl.function)
                        impl.function = harmless(impl.function)

    def write(self, *_, **__):
        pass


def kind_of(value):
    try:
        return str.__str__(type(value).__name__)
    except Exception:
        return "?"


def raw(text):
    """`text`, whatever it is, as a str that can be sent."""
    try:
        if not isinstance(text, str):
            text = str(text)
        if type(text) is not str:
            text = str.__str__(text)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                text = text.encode("utf-8", "backslashreplace").decode()
        return text
    except Exception as exc:
        return "<%s: %s prevents that it is shown>" % (ascii(kind_of(text))[1:-1], kind_of(exc))


def cached_ids():
    """Makes of a node id what pytest's cache has in memory: since 9.2 that is no text."""
    try:
        from _pytest.nodeid import NodeId
    except ImportError:
        return str
    return NodeId.parse


def clean(text):
    """The same for those that end at a NUL elsewhere, and within bounds."""
    text = raw(text)
    if len(text) > TEXT_MAX:
        half = TEXT_MAX // 2
        left_out = len(text) - 2 * half
        text = "%s\n[… %d characters were cut here …]\n%s" % (text[:half], left_out, text[-half:])
    return text.replace("\0", "\\x00") if "\0" in text else text


def shown(value):
    try:
        return clean(repr(value))
    except Exception as exc:
        return "<%s: its repr raises %s>" % (ascii(kind_of(value))[1:-1], kind_of(exc))


def hashable(value):
    try:
        hash(value)
        return value
    except TypeError:
        return shown(value)


def plain_collection(kind, value, depth, left):
    """None: it is none, or can't be read."""
    try:
        for base in (list, tuple):
            if issubclass(kind, base):
                return base([plain(item, depth, left) for item in base.__iter__(value)])
        for base in (set, frozenset):
            if issubclass(kind, base):
                return base([hashable(plain(item, depth, left)) for item in base.__iter__(value)])
        if issubclass(kind, dict):
            pairs = list(dict.items(value))
            return {hashable(plain(k, depth, left)): plain(v, depth, left) for k, v in pairs}
    except Exception:
        pass
    return None


def plain(value, depth=40, left=None):
    """`value` made of builtin types only."""
    kind = type(value)
    left = [PLAIN_MAX] if left is None else left
    left[0] -= 1
    if left[0] < 0:
        return "…"
    if value is None or kind is bool or kind is float:
        return value
    if kind is bytes and len(value) <= TEXT_MAX:
        return value
    if issubclass(kind, str):
        return clean(str.__str__(value))
    if issubclass(kind, int):
        value = int.__int__(value)
        bits = value.bit_length()
        return value if bits <= INT_BITS_MAX else "<int of %d bits>" % bits
    if issubclass(kind, float):
        return float.__float__(value)
    if depth:
        collection = plain_collection(kind, value, depth - 1, left)
        if collection is not None:
            return collection
        for convert in ("__index__", "__float__", "__fspath__"):
            try:
                return plain(getattr(kind, convert)(value), 0, left)
            except Exception:
                pass
    return shown(value)


def seconds(value):
    try:
        value = float(value)
    except Exception:
        return 0.0
    return value if 0 < value < 1e12 else 0.0


def words_of(exc):
    """What an exception says, in one line."""
    lines = [line.strip() for line in clean(exc).split("\n") if line.strip()]
    return clean("%s: %s" % (kind_of(exc), lines[0])) if lines else kind_of(exc)


def trace_of(exc):
    """(traceback text without pytest's own frames, name of the hook that raised it or None)"""
    import traceback

    try:
        frames = traceback.extract_tb(exc.__traceback__)
        kept = [
            frame for frame in frames[1:]
            if not any(part in frame.filename.replace("\\", "/") for part in PYTEST_FRAMES)
        ]  # fmt: skip
        hooks = [f.name for f in kept if f.name.startswith("pytest_")]
        head = ["Traceback (most recent call last):\n"] if kept else []
        text = head + traceback.format_list(kept) + traceback.format_exception_only(type(exc), exc)
        return clean("".join(text)), hooks[-1] if hooks else None
    except Exception:
        return words_of(exc), None


def conftest_error(exc):
    """The text that pytest prints for a conftest.py that can't be imported."""
    import pytest

    def keep(entry):
        path = str(entry.path).replace("\\", "/")
        return not any(part in path for part in PYTEST_FRAMES + ("importlib",))

    cause = getattr(exc, "cause", None)
    if cause is None:
        info = pytest.ExceptionInfo.from_exc_info(exc.excinfo)
    else:
        info = pytest.ExceptionInfo.from_exception(cause)
    info.traceback = info.traceback.filter(keep)
    text = info.getrepr(style="short", chain=False) if info.traceback else info.exconly()
    return "ImportError while loading conftest '%s'.\n%s" % (exc.path, text)


def rename(item, nodeid):
    """Gives a test another node id."""
    known = getattr(item, "_id", None)
    if hasattr(type(known), "parse"):  # since pytest 9.2 it has a structure
        item._id = type(known).parse(nodeid)
    else:
        item._nodeid = nodeid


def warning_told(message, nodeid):
    """What a warnings.WarningMessage says."""
    import linecache

    kind, path, line = message.category, clean(message.filename), message.lineno
    try:
        source = message.line or linecache.getline(path, line)
    except Exception:
        source = ""
    return {
        "message": clean(message.message),
        "category": clean(getattr(kind, "__name__", kind)),
        "filename": path,
        "lineno": line if type(line) is int and 0 <= line < 1 << 31 else 0,
        "source": clean(source).strip() or None,
        "nodeid": clean(nodeid),
    }


def render(report):
    """The failure as the terminal shows it, without colours."""
    from _pytest._io import TerminalWriter

    if not report.longrepr:
        return None
    crash = getattr(report.longrepr, "reprcrash", None) if render.line else None
    if crash:
        return clean(crash)
    out = io.StringIO()
    writer = TerminalWriter(out)
    writer.hasmarkup = False
    writer.fullwidth = render.columns
    try:
        report.toterminal(writer)
    except Exception as exc:
        out.write("\n[the report can't be shown: %s]\n" % words_of(exc))
    return clean(out.getvalue())


render.columns = 80  # of whoever reads it
render.line = False  # only where, and what


def crash_of(report):
    """(one line that says what happened, [file, line] or None)"""
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):  # a skip
        path, line, reason = longrepr
        reason = clean(reason)
        if reason.startswith("Skipped: "):
            reason = reason[len("Skipped: ") :]
        return reason, [clean(path), plain(line)]
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        return clean(crash.message).split("\n")[0], [clean(crash.path), plain(crash.lineno)]
    lines = [line for line in clean(longrepr or "").split("\n") if line.strip()]
    if not lines:
        return None, None
    last = lines[-1].strip() if lines[-1].startswith("E  ") else lines[0].strip()
    return (last[1:].strip() if lines[-1].startswith("E  ") else last), None


def status_of(report):
    try:
        if hasattr(report, "wasxfail"):
            if report.outcome == "skipped":
                return "xfailed"
            if report.outcome == "passed":
                return "xpassed"
        if report.outcome == "failed" and report.when in ("collect", "setup", "teardown"):
            return "error"
        return clean(report.outcome) if isinstance(report.outcome, str) else "error"
    except Exception:
        return "error"


def part_of(report):
    """Which part of its test a subtest's report is about, in pytest's words; "" for the test itself."""
    try:
        context = report.context
        words = ["[%s]" % clean(context.msg)] if context.msg is not None else []
        pairs = ["%s=%s" % (clean(key), shown(value)) for key, value in context.kwargs.items()]
        words += ["(%s)" % ", ".join(pairs)] if pairs else []
        return " ".join(words) or "(<subtest>)"
    except Exception:
        return ""


def outcome_of(reports):
    """A test's outcome from its reports; those before the last rerun don't count, nor do parts that
    are no failures where the test has a word of its own."""
    calls, others = [], []
    for report in reports:
        status = status_of(report)
        if status == "rerun":
            del calls[:], others[:]
        elif status in ("skipped", "xfailed", "xpassed") and part_of(report):
            continue
        else:
            (calls if getattr(report, "when", None) == "call" else others).append(status)
    for status in ("failed", "error"):
        if status in calls or status in others:
            return status
    for status in calls[::-1] + others:
        if status in ("skipped", "xfailed", "xpassed"):
            return status
    return "passed" if reports else "skipped"


def sections_of(report):
    try:
        return [[clean(title), raw(text)] for title, text in list(report.sections)]
    except Exception as exc:
        return [["Captured output", "[it can't be shown: %s]\n" % words_of(exc)]]


def shared(one, other):
    """How many sections both begin with."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def own_sections(reports):
    """The sections of each report that are to be shown. pytest's captured ones are in those of all
    reports that follow; what hooks add is its report's alone, and shown with that if it is bad."""
    quiet = ("passed", "skipped", "xfailed", "xpassed")
    bad = [status_of(report) not in quiet for report in reports]
    sections = [sections_of(report) for report in reports]
    own = []
    for i, all_of_it in enumerate(sections):
        begin, shown = shared(sections[i - 1], all_of_it) if i else 0, all_of_it
        if any(bad) and not bad[i]:
            if i + 1 < len(sections):
                shown = all_of_it[: shared(all_of_it, sections[i + 1])]
            else:
                shown = all_of_it[:begin] + [s for s in all_of_it[begin:] if "teardown" in s[0]]
        own.append([list(section) for section in shown[begin:]])
    return own


def phase_of(report, sections=()):
    status = status_of(report)
    message = location = longrepr = wasxfail = None
    try:
        wasxfail = getattr(report, "wasxfail", None)
        if report.longrepr:
            message, location = crash_of(report)
        if report.outcome == "failed" or status not in ("passed", "skipped", "xfailed", "xpassed"):
            longrepr = render(report)
        part = part_of(report)
        if part:
            message = "%s: %s" % (part, message) if message else part
            longrepr = longrepr and "%s\n%s" % (part, longrepr)
    except Exception as exc:
        message = message or "the report can't be read: %s" % words_of(exc)
    return {
        "when": clean(getattr(report, "when", "?")),
        "outcome": status,
        "duration": seconds(getattr(report, "duration", 0)),
        "longrepr": longrepr,
        "message": message,
        "location": location,
        "wasxfail": None if wasxfail is None else clean(wasxfail),
        "sections": list(sections),
    }


def escape_phase(exc, reports, duration):
    """For an exception that ended the session in the middle of a test."""
    following = {"setup": "call", "call": "teardown"}
    when = getattr(reports[-1], "when", None) if reports else None
    return {
        "when": following.get(when, "setup"),
        "outcome": "error",
        "duration": seconds(duration),
        "longrepr": trace_of(exc)[0],
        "message": words_of(exc),
        "location": None,
        "wasxfail": None,
        "sections": [],
    }


def cut(phases, cap):
    """Cuts a test's sections to `cap` bytes, head and tail; gives (bytes before, whether it did)."""
    sections = [section for phase in phases for section in phase["sections"]]
    sizes = [len(text) if text.isascii() else len(text.encode()) for _, text in sections]
    total, cap = sum(sizes), cap or OUTPUT_MAX
    if total <= cap:
        return total, False
    head, tail = cap - cap // 2, total - cap // 2
    marker = "\n[… %d bytes were cut here: output_cap is %d, %d were written …]\n"
    marker %= (tail - head, cap, total)
    begin = 0
    for section, size in zip(sections, sizes):
        end = begin + size
        if end > head and begin < tail:
            data = section[1].encode()
            section[1] = data[: max(0, head - begin)].decode("utf-8", "ignore") + marker
            section[1] += data[max(0, tail - begin) :].decode("utf-8", "ignore")
            marker = ""
        begin = end
    for phase in phases:
        phase["sections"] = [section for section in phase["sections"] if section[1]]
    return total, True


def properties_of(report):
    try:
        pairs = list(getattr(report, "user_properties", None) or ())
    except Exception:
        return None
    properties = []
    for pair in pairs:
        try:
            name, value = pair
        except Exception:
            name, value = "?", pair
        properties.append([clean(name), plain(value)])
    return properties or None


def place_of(location, nodeid):
    """(file, line from 0 or None)"""
    try:
        path, line = location[:2]
    except Exception:
        path, line = clean(nodeid).split("::")[0], None
    return clean(path), line if type(line) is int and 0 <= line < 1 << 31 else None


def done_item(index, item, reports, began, cap, escaped=None):
    """("done", …) of a test that ran, since `began` by both clocks; `escaped` is what ended the session with it."""
    times = {"setup": 0.0, "call": 0.0, "teardown": 0.0}
    noteworthy = bool(escaped) or not reports
    for report in reports:
        when = getattr(report, "when", None)
        if type(when) is str and when in times:
            times[when] += seconds(getattr(report, "duration", 0))
        if status_of(report) != "passed" or getattr(report, "sections", None):
            noteworthy = True
    phases = output = None
    outcome = "passed"
    if noteworthy:
        outcome = outcome_of(reports)
        phases = [phase_of(*pair) for pair in zip(reports, own_sections(reports))]
    if escaped:
        outcome = "error"
        phases.append(escape_phase(escaped, reports, clock() - began[1] - sum(times.values())))
        times[phases[-1]["when"]] += phases[-1]["duration"]
    if phases:
        output = cut(phases, cap)
        output = output if output[0] else None
    last = reports[-1] if reports else item
    place = place_of(getattr(last, "location", None), item.nodeid)
    durations = (times["setup"], times["call"], times["teardown"])
    properties = properties_of(last) if reports else None
    return (
        "done", index, outcome, sum(durations), began[0], phases, durations, place, properties, output,
    )  # fmt: skip


def bare_item(index, began, text):
    """("done", …) of a test whose reports can't be sent."""
    phase = {
        "when": "?", "outcome": "error", "duration": 0.0, "longrepr": None, "message": clean(text),
        "location": None, "wasxfail": None, "sections": [],
    }  # fmt: skip
    return ("done", index, "error", 0.0, began, [phase], (0.0, 0.0, 0.0), ("?", None), None, None)


def header_of(config):
    try:  # `startdir` is added by pytest itself; 9.0 refuses it from us
        header = config.hook.pytest_report_header(config=config, start_path=config.invocation_params.dir)
    except Exception as exc:
        header = ["pytest_report_header failed: %s" % words_of(exc)]
    lines = []
    own = getattr(config.pluginmanager.getplugin("terminalreporter"), "pytest_report_header", None)
    own = own and own(config)  # tells what `collected` tells
    for part in reversed([part for part in header if not part == own]):
        lines.extend([part] if isinstance(part, str) else part or ())
    return [clean(line) for line in lines]


def plugins_of(config):
    plugins = []
    for _, dist in config.pluginmanager.list_plugin_distinfo():
        name = clean("%s-%s" % (dist.project_name, dist.version))
        name = name[7:] if name.startswith("pytest-") else name
        if name not in plugins:
            plugins.append(name)
    return plugins
