# Part of the front: arguments and options as the controller of pytest-xdist would have them.


# What pytest-xdist has no word for.
OURS = ("no", "auto")


def controller_args(kw):
    """As pytest-xdist's controller would have been called."""
    if kw["numprocesses"]:
        own = ["-n", str(kw["numprocesses"])]
        own += ["--maxprocesses", str(kw["maxprocesses"])] if kw["maxprocesses"] else []
    else:
        own = ["--dist", kw["dist"] if kw["dist"] not in OURS else "load"] if kw["dist"] else []
        for spec in kw["specs"]:
            own += ["--tx", spec["spec"]]
    return own + kw["args"]


def tx_of(kw):
    """Workers as --tx has them: those of -n have nothing to say."""
    count = kw["numprocesses"]
    specs = [spec_of(entry["spec"], entry["id"]) for entry in kw["specs"]]
    if count and all(spec.popen and not spec.via for spec in specs):
        return ["popen"] * (min(count, kw["maxprocesses"]) if kw["maxprocesses"] else count)
    return [entry["spec"] for entry in kw["specs"]]


def become_controller(config, kw):
    """The options as pytest-xdist's controller has them."""
    option = config.option
    option.numprocesses = kw["numprocesses"] or None
    option.maxprocesses = kw["maxprocesses"] or None
    dist = kw["dist"] or ("load" if getattr(option, "distload", False) else option.dist)  # or as the settings say
    option.dist = dist if dist not in OURS else "load"
    option.distload = False
    option.tx = tx_of(kw)
    if kw["maxfail"]:
        option.maxfail = kw["maxfail"]
    if kw["max_worker_restart"] is not None:
        option.maxworkerrestart = str(kw["max_worker_restart"])
    if kw["color"] is not None and getattr(option, "color", "auto") == "auto":
        option.color = "yes" if kw["color"] else "no"
    for name in ("dsession", "terminaldistreporter"):
        config.pluginmanager.set_blocked(name)


