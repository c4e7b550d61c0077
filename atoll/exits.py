"""Exit codes of the command line, and the one exception that ends a command."""

DONE = 0
FAILED = 1  # something went wrong; one sentence says what
MISUSED = 2  # argparse's own code for a wrong option
AT_THE_DOOR = 3  # the gateway refused the journey; the refusal is printed
NOT_RUNNING = 4  # the platform is not running in this home
IN_THE_WAY = 5  # another atoll, a foreign program on the port, a full disk or a read-only home
REWRITTEN = 6  # a register contradicts what was mirrored of it (follow)
SETTINGS = 78  # EX_CONFIG: a setting is missing or malformed; starting again would not help
INTERRUPTED = 130  # a second Ctrl-C

EXPLAINED = """exit codes:
  0    done
  1    something failed; the sentence printed says what
  2    the command was written wrongly
  3    the journey was stopped at the door (demo)
  4    the platform is not running
  5    something on this machine is in the way: a port, a lock, a full disk, a read-only folder
  6    a register contradicts what was mirrored of it (follow)
  78   a setting is missing or malformed; all faults are listed
  130  stopped by a second Ctrl-C
"""


class Stop(Exception):
    """Ends the command: ``message`` is for a person, ``code`` for a program."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.message, self.code = message, code
