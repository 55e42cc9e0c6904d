# Part of the pytest payload: what a test takes of memory, with `memory: auto`. Without it nothing of
# this is made, and no test costs a system call more.
#
# Told is the peak of the largest process of the test (the worker, or a child that it has waited for)
# beyond what the worker had when the test began: what its worker needs anyhow is no test's. Linux
# keeps the peak of a process since it was last reset (/proc/PID/clear_refs, proc(5)): that is done
# before each test, and the peak read behind it by getrusage, which costs some 40 µs of a test;
# /proc/self/status says the same, and takes twice as long. Elsewhere, and where that is forbidden,
# only a peak above all before it is known: then by how much it is above them; else the test's is not.
# The peak of children can't be reset: it is known if it is the largest so far.
import os

LITTLE = 4096  # KiB; where a child's peak is not known, less of the worker's own says nothing


class Memory:
    def __init__(self):
        import resource

        self.usage = resource.getrusage
        self.own, self.children = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
        self.unit = 1024 if os.uname().sysname == "Darwin" else 1  # bytes there, else KiB
        self.peak = self.usage_peak
        self.can_reset = self.reset()
        if self.can_reset:
            status = self.status_peak()
            if status and status + LITTLE < self.usage_peak():
                self.peak = self.status_peak  # getrusage tells of what was there before this program
        self.before = self.waited = self.largest = 0

    def reset(self):
        try:
            file = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(file, b"5")
            finally:
                os.close(file)
        except OSError:
            return False
        return True

    def usage_peak(self):
        return self.usage(self.own).ru_maxrss // self.unit

    def status_peak(self):
        try:
            with open("/proc/self/status", "rb") as file:
                text = file.read()
            return int(text[text.index(b"VmHWM:") + 6:].split(None, 1)[0])  # fmt: skip
        except (OSError, ValueError, IndexError):
            return 0

    def begin(self):
        if self.can_reset:
            self.can_reset = self.reset()
        self.before = self.peak()
        children = self.usage(self.children)
        self.waited, self.largest = children.ru_minflt, children.ru_maxrss // self.unit

    def end(self):
        """KiB; 0: that is not known."""
        peak = self.peak()
        children = self.usage(self.children)
        largest = children.ru_maxrss // self.unit
        known = children.ru_minflt == self.waited or largest > self.largest or largest <= peak
        if largest > self.largest:
            peak = max(peak, largest)
        told = peak - self.before
        if not known and told < LITTLE:
            return 0
        return max(told, 1 if self.can_reset else 0)


def with_memory(done, kib):
    """("done", …) with that behind the durations of its phases."""
    return done[:6] + (done[6] + (kib,),) + done[7:] if kib > 0 else done
