"""The one error of the harness: a sentence for the person at the keyboard.

`__main__` is the only place that turns it into an exit status; everything else raises it.
"""


class TroubleError(Exception):
    """What is wrong, with which object, and what to do about it."""
