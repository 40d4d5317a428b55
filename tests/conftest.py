"""What all tests share."""

import signal

# A shell's background jobs ignore interrupts, and so would every process that a test starts and
# then interrupts; a handler of our own is reset to the default in them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
