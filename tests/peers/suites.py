"""execnet's own test suite, with our workers at the far side of its gateways: what differs, and why."""
import fnmatch
import re

# By peer: how "test: first line of what failed" begins, as a pattern, and why. The first that fits counts.
REASONS = {
    "python": [
        ("*test_channel_passing_over_channel*", "looks into execnet's own Gateway._channelfactory at the far side"),
        ("*test_remoteerror_readable_traceback*", "wants the file name gateway_base in the text of an error"),
        ("*test_popen_filetracing", "wants execnet's words in the trace; ours are others"),
        ("*test_popen_stderr_tracing", "wants execnet's words in the trace; ours are others"),
        ("*test__rinfo*", "does not wait for the chdir that it has started: our worker answers sooner"),
        ("*test_gateway_status_busy*", "execnet's own mark: timing"),
        ("*test_popen_nice", "marked as failing by execnet; works"),
        ("*test_waitclose_on_remote_killed", "fails at times with execnet alone"),
    ],
    "native": [
        ("*: *this is a native worker", "sends Python source: refused in words, as it must be"),
        ("*: OSError: cannot send to <Channel id=", "sends Python source: refused before the test sends what that would read"),
        ("*test_channel_callback_remote_freed*", "sends Python source: refused before the test sends what that would read"),
        ("*test_channel_pass_in_structure*", "waits without a limit for what refused source would send; hangs at times with execnet, too"),
        ("*test_channel_syntax_error*", "wants a Python error's words where the source is refused"),
        ("*test_channel_error_reporting*", "wants a Python error's words where the source is refused"),
        ("*test_channel_endmarker_callback_error*", "wants a Python error's words where the source is refused"),
        ("*test_multichannel_receive_queue_for_two_subprocesses*", "waits for what refused source would send"),
        ("*test_channel_callback_stays_active*", "waits for what refused source would send"),
        ("*test_rinfo_popen*", "wants the worker to be Python of this version"),
        ("*TestMakegateway::test_popen_default*", "wants the worker to be Python of this version"),
        ("*TestMakegateway::test_popen_explicit*", "wants the worker to be Python of this version"),
        ("*test_popen_args*", "wants the command that starts Python: here it starts our worker"),
        ("*test_popen_with_sudo_python*", "wants the command that starts Python: here it starts our worker"),
    ],
}


def reason_for(peer, test, text):
    words = "%s: %s" % (re.sub(r"^testing/", "", test), text)
    for pattern, reason in REASONS[peer]:
        if fnmatch.fnmatchcase(words, pattern.replace("[", "[[]") + "*"):
            return reason
    return None
