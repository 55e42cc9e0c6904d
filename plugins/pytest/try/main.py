# `farflung try`, its end: what is run when, and the exit code. Its words: a file's text (record.py), farflung,
# workers (0: as many as CPUs, at least 2), --dist or "", seconds, "json" or "text", how many words
# the interpreter has, these, and pytest's.


REFUSED = {
    USAGE: "pytest itself refuses this: ",
    INFRASTRUCTURE: "pytest itself failed: ",
    NO_TESTS: "pytest collected no test: ",
}


def told(run):
    say("%s: %s, %.1f s" % (run.name, counts_text(run), run.seconds))
    return run


def compare(trial, findings):
    plain = findings.plain = told(trial.plain())
    if plain.code in REFUSED or plain.code < 0 or not plain.outcomes:
        findings.code = plain.code if plain.code in REFUSED else INFRASTRUCTURE
        words = REFUSED.get(plain.code) or "pytest itself ended with %d: " % plain.code
        findings.notes.append(words + plain.last_line())
        return
    ours = findings.ours = told(trial.ours())
    ours.without_groups(plain.outcomes)
    if ours.code == INFRASTRUCTURE and not ours.outcomes or ours.code < 0:
        findings.code = INFRASTRUCTURE
        findings.notes.append("farflung could not run it: " + ours.last_line())
        return
    if trial.has_xdist:
        run_xdist(trial, findings)
    judge(findings, trial)


def run_xdist(trial, findings):
    """It is there to compare with: without it, the others still are compared."""
    try:
        theirs = told(trial.xdist())
    except OutOfTime:
        findings.notes.append("pytest-xdist was not ready within --timeout")
        return
    if theirs.code == USAGE:
        findings.notes.append("pytest-xdist refuses this: " + theirs.last_line())
        return
    theirs.without_groups(findings.plain.outcomes)
    findings.theirs = theirs


def try_sharded(findings, trial):
    """Where something may see all tests at once: does anything change if it sees those of a file?"""
    plain, suite = findings.plain, findings.ours.suite
    say("finding out: --collect shard")
    try:
        run = trial.ours("farflung --collect shard", options=["--collect", "shard"])
    except OutOfTime:
        findings.notes.append("--collect shard was not ready within --timeout")
        return
    run.without_groups(plain.outcomes)
    if run.code != plain.code or not same(run, plain):
        tests = len(differences(plain, run, None))
        findings.notes.append(
            "--collect shard: %s" % ("%d tests differ" % tests if tests else "exit %d" % run.code)
        )
        return
    findings.sharded = run
    trouble = trial.remember_sharded(suite)
    findings.notes.append(
        "--collect shard: nothing differs, in %.2f s; %s"
        % (run.seconds, "that can't be noted: " + trouble if trouble else "noted for --collect auto")
    )


def judge(findings, trial):
    plain, ours = findings.plain, findings.ours
    findings.differing = differences(plain, ours, findings.theirs)
    inquiry = Inquiry(trial, plain, say)
    ran_through = ours.code in (0, 1)
    for it in findings.differing:
        it.reason = inquiry.reason(it, ran_through)
    if findings.differing or plain.code != ours.code:
        findings.code = 1
    if plain.code != ours.code and (not findings.differing or not ran_through):
        findings.notes.append("exit %d by pytest, %d by farflung: %s" % (plain.code, ours.code, ours.last_line()))
    if plain.warnings != ours.warnings:
        theirs = ", %d by pytest-xdist" % findings.theirs.warnings if findings.theirs else ""
        findings.notes.append("warnings: %d by pytest, %d by farflung%s" % (plain.warnings, ours.warnings, theirs))
    if {it.reason for it in findings.differing} & {"order", "file", "port", "together"}:
        dist = inquiry.mended_by(plain)
        if dist:
            findings.advice.append("--dist %s: nothing differs with it" % dist)
        else:
            findings.advice.append("no --dist makes them equal: mend these tests, or mark what belongs together (xdist_group)")
    if findings.code == 0 and ours.suite:
        try_sharded(findings, trial)
    advise(findings, trial, len(os.sched_getaffinity(0)))


def main(record, farflung, workers, dist, seconds, form, words, *rest):
    words = int(words)
    workers = int(workers) or max(2, len(os.sched_getaffinity(0)))
    trial = Trial(farflung, list(rest[:words]), workers, dist, list(rest[words:]), float(seconds), record)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, trial.on_signal)
    findings = Findings()
    try:
        trial.prepare()
        compare(trial, findings)
    except OutOfTime as exc:
        findings.code = INFRASTRUCTURE
        findings.notes.append("%s was not ready within --timeout" % exc)
    except Stop as exc:
        findings.code = 128 + exc.args[0]
        findings.notes.append("interrupted")
    except OSError as exc:
        findings.code = INFRASTRUCTURE
        findings.notes.append(str(exc))
    finally:
        trial.release()
    try:
        findings.tell(form)
        sys.stdout.flush()
    except OSError as exc:
        say("stdout can't be written: %s" % exc)
        findings.code = INFRASTRUCTURE
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of it goes there
    say("%s (exit %d)" % (findings.last_word(), findings.code))
    return findings.code


sys.exit(main(*sys.argv[1:]))
