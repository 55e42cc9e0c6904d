# Run by the local interpreter before a run of local workers whose number is not said: what somebody's
# pytest_xdist_auto_num_workers wants. The build puts reports.py and stand_in.py before it.
#
# Arguments: the descriptor that takes the answer, what -n says, pytest's arguments.
# Answer: "none" · "workers N" · "error TEXT", a line
def others_wish(config):
    """What others than pytest-xdist say; None: nobody does."""
    manager = config.pluginmanager
    own = [plugin for plugin in manager.get_plugins()
           if str(getattr(plugin, "__name__", "")).split(".")[0] == "xdist"]  # fmt: skip
    return manager.subset_hook_caller("pytest_xdist_auto_num_workers", own)(config=config)


def answer(said, args):
    try:
        config = controller_configuration(["-n", said] + args, args, False)
    except BaseException:
        return "none"  # workers will say what is wrong
    if config.option.help or config.option.version:
        return "none"
    try:
        config.option.numprocesses = said
        number = others_wish(config)
        if number is None:
            return "none"
        if type(number) is int and number >= 0:
            return "workers %d" % number
        return "error it gives %s, which is no number of workers" % shown(number)
    except BaseException as exc:
        return "error " + trace_of(exc)[0].strip().split("\n")[-1]


if __name__ == "__main__":
    import sys

    sys.path.insert(0, "")
    line = answer(sys.argv[2], sys.argv[3:])
    with open(int(sys.argv[1]), "w", errors="backslashreplace") as file:
        file.write(line.replace("\n", " ") + "\n")
    sys.stdout.flush()
    os._exit(0)  # nothing was begun that would have to end
