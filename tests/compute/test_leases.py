import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from toy_recipes import wait_for

from mrinb.compute.leases import LeaseLost, Leases
from mrinb.errors import MrinbError

HOLD = """
import sys, time
from pathlib import Path
from mrinb.compute.leases import Leases
with Leases(Path(sys.argv[1]), 0.05).acquire("x"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_one_holder_at_a_time(tmp_path):
    leases = Leases(tmp_path)
    with leases.acquire("x"):
        assert Leases(tmp_path).acquire("x") is None
        assert leases.holder("x").pid == os.getpid()
        with leases.acquire("y"):
            pass
    assert leases.holder("x") is None
    with leases.acquire("x"):
        pass


def test_of_many_threads_one_gets_it(tmp_path):
    got, ready = [], threading.Barrier(8)

    def attempt():
        ready.wait()
        got.append(Leases(tmp_path).acquire("x"))

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sum(lease is not None for lease in got) == 1


def test_a_living_process_is_respected_and_a_killed_one_is_not(tmp_path, holder):
    leases = Leases(tmp_path, beat_s=60)
    assert leases.acquire("x") is None
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with leases.acquire("x"):
        assert leases.holder("x").pid == os.getpid()


def test_heartbeats_keep_a_lease_and_silence_ends_it(tmp_path, holder):
    path = tmp_path / "x"
    leases = Leases(tmp_path, beat_s=0.1, patience=5)
    first = path.stat().st_mtime_ns
    wait_for(lambda: path.stat().st_mtime_ns != first)
    assert leases.acquire("x") is None
    os.kill(holder.pid, signal.SIGSTOP)  # alive, but silent
    taken = []
    wait_for(lambda: taken.append(leases.acquire("x")) or taken[-1] is not None)
    assert sum(lease is not None for lease in taken) == 1 < len(taken)


def test_a_process_elsewhere_is_watched(tmp_path):
    (tmp_path / "x").write_text(
        json.dumps({"pid": 1, "host": "elsewhere", "token": "t", "progress": "epoch 2"})
    )
    leases = Leases(tmp_path, beat_s=0.02, patience=3)
    begun = time.monotonic()
    assert leases.holder("x").progress == "epoch 2"
    assert leases.acquire("x") is None
    wait_for(lambda: leases.acquire("x") is not None)
    assert time.monotonic() - begun >= 0.06


def test_a_garbled_lease_is_watched_too(tmp_path):
    (tmp_path / "x").write_text("")
    leases = Leases(tmp_path, beat_s=0.02, patience=3)
    assert leases.acquire("x") is None
    wait_for(lambda: leases.acquire("x") is not None)


def test_of_many_takers_one_gets_a_dead_lease(tmp_path):
    (tmp_path / "x").write_text(
        json.dumps({"pid": 1, "host": "elsewhere", "token": "t", "progress": ""})
    )
    got, ready = [], threading.Barrier(8)

    def attempt():
        leases = Leases(tmp_path)
        ready.wait()
        got.append(leases.acquire("x", dead="t"))

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sum(lease is not None for lease in got) == 1


def test_progress_reaches_others(tmp_path):
    leases = Leases(tmp_path, beat_s=0.02)
    with leases.acquire("x") as lease:
        lease.report("epoch 3 of 8")
        wait_for(lambda: Leases(tmp_path).holder("x").progress == "epoch 3 of 8")


def test_a_holder_learns_that_it_was_given_up_and_leaves_the_new_lease_alone(tmp_path):
    leases = Leases(tmp_path, beat_s=0.02)
    with leases.acquire("x") as lease:
        token = leases.holder("x").token
        other = leases.acquire("x", dead=token)
        wait_for(lambda: lease.lost)
        with pytest.raises(LeaseLost):
            lease.report("in vain")
    with other:
        assert leases.holder("x").token != token
    assert leases.holder("x") is None


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(MrinbError, match="cannot be written to"):
        Leases(tmp_path / "store" / "leases").acquire("x")
