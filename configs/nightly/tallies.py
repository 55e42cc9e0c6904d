"""What the program tally says, for Python."""
import subprocess


def tally(program, text):
    """How often each line comes, as a dictionary."""
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    return parse(done.stdout)


def parse(text):
    counts = {}
    for line in text.splitlines():
        count, _, word = line.partition(" ")
        if not count.isdigit():
            raise ValueError(f"no tally: {line!r}")
        counts[word] = int(count)
    return counts


def most_common(counts):
    """The word, or None; of several the one that came first."""
    return max(counts, key=counts.get, default=None)
