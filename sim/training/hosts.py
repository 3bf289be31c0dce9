"""An ensemble over the devices of several processes (`jax.distributed`), on one machine or on several.

All processes must call the same compiled programs in the same order. Only one of them, the leader, knows the runs,
their locks and the disk. It tells the followers every call of an ensemble that uses their devices, and they do the
same. The calls go over a socket and not over the devices, because a follower may have to wait for long.
"""

import hashlib
import os
import pickle
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from sim.streams import uninterrupted
from sim.training.ensemble import Ensemble
from sim.training.job import State
from sim.training.programs import Mapping
from sim.training.sharing import Member, shared_parts
from sim.typing import Params

LOOPBACK = "127.0.0.1"

ENDS = (signal.SIGUSR2,)
"""Signals that end the leader, beside those that end every command. Followers leave all of them to the leader."""

_followers: list[Connection] = []


def is_leader() -> bool:
    """Return whether this process leads, or is alone."""
    return jax.process_index() == 0


def connect() -> None:
    """Connect the leader with its followers. All processes call this once, after `jax.distributed.initialize`."""
    hosts = np.asarray(multihost_utils.process_allgather(_number(socket.gethostname())))
    name = LOOPBACK if (hosts == hosts[0]).all() else socket.gethostname()
    if is_leader():
        key = secrets.token_bytes(32)
        with Listener((name, 0), authkey=key, backlog=jax.process_count()) as listener:
            _shared(pickle.dumps((*listener.address, key)))
            _followers[:] = [listener.accept() for _ in range(jax.process_count() - 1)]
    else:
        host, port, key = pickle.loads(_shared(b""))
        _followers[:] = [Client((host, port), authkey=key)]


def _number(text: str) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(text.encode()).digest()[:4], np.int32)


def _shared(data: bytes) -> bytes:
    """Return the data of the leader in every process: at most 511 bytes."""
    row = np.zeros(512, np.uint8)
    row[0] = len(data) % 256
    row[1] = len(data) // 256
    row[2 : 2 + len(data)] = np.frombuffer(data, np.uint8)
    found = np.asarray(multihost_utils.broadcast_one_to_all(row))
    return found[2 : 2 + int(found[0]) + 256 * int(found[1])].tobytes()


def _tell(name: str, *arguments: Any) -> None:
    message = pickle.dumps((name, arguments))
    try:
        for one in _followers:
            one.send_bytes(message)
    except OSError:  # without all devices nothing can go on; runs that have begun are interrupted, not failed
        print("a process that trains together with this one has ended", file=sys.stderr, flush=True)
        os._exit(1)


def dismiss() -> None:
    """Tell the followers that nothing more will come."""
    _tell("dismiss")


def ensemble(
    members: Sequence[Member],
    states: Sequence[State | None],
    mapping: Mapping | None = None,
    size: int = 0,
    shared: frozenset[str] | None = None,
) -> Ensemble:
    """Return an ensemble over the devices of all processes; the leader calls this, or a process that is alone."""
    if jax.process_count() == 1:
        return Ensemble(members, states, mapping, size, shared)
    return Led(members, states, mapping, size, shared_parts(members) if shared is None else shared)


class Led(Ensemble):
    """An ensemble of the leader. Every call that uses devices is told to the followers first.

    A signal waits until the call has ended, because the followers do the whole of it.
    """

    def __init__(
        self,
        members: Sequence[Member],
        states: Sequence[State | None],
        mapping: Mapping | None,
        size: int,
        shared: frozenset[str],
    ) -> None:
        with uninterrupted(*ENDS):
            _tell("begin", _portable((list(members), list(states))), mapping, size, shared)
            super().__init__(members, states, mapping, size, shared)

    def advance(self, until: Sequence[int]) -> None:
        """Advance each member to its step."""
        with uninterrupted(*ENDS):
            _tell("advance", [int(step) for step in until])
            super().advance(until)

    def reset_losses(self, which: Sequence[int]) -> None:
        """Set the loss sums of these members to 0."""
        with uninterrupted(*ENDS):
            _tell("reset_losses", [int(index) for index in which])
            super().reset_losses(which)

    def state(self, index: int) -> State:
        """Return the state of one member."""
        with uninterrupted(*ENDS):
            _tell("state", int(index))
            return super().state(index)

    def params(self, index: int) -> Params:
        """Return the parameters of one member."""
        with uninterrupted(*ENDS):
            _tell("params", int(index))
            return super().params(index)

    def logits(self) -> Iterator[tuple[int, np.ndarray]]:
        """Iterate over the members: the index, and the logits at all nodes of its trie."""
        _tell("look")
        found = super().logits()
        while True:
            with uninterrupted(*ENDS):
                _tell("look_on")
                one = next(found, None)
            if one is None:
                return
            yield one


def follow() -> None:
    """Do what the leader does, until it dismisses this process or has ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *ENDS):
        signal.signal(number, signal.SIG_IGN)
    (leader,) = _followers
    current: Ensemble | None = None
    looking: Iterator[Any] = iter(())
    while True:
        try:
            name, arguments = pickle.loads(leader.recv_bytes())
        except (EOFError, OSError):  # it was killed
            os._exit(1)
        if name == "dismiss":
            return
        if name == "begin":
            current = Ensemble(*_restored(arguments[0]), *arguments[1:])
            continue
        assert current is not None, "an ensemble begins first"
        if name == "look":
            looking = current.logits()
        elif name == "look_on":
            next(looking, None)
        else:
            getattr(current, name)(*arguments)


class _Key:
    """A random key, which cannot be pickled as it is."""

    def __init__(self, key: jax.Array) -> None:
        self.data, self.kind = np.asarray(jax.random.key_data(key)), str(jax.random.key_impl(key))

    def restored(self) -> jax.Array:
        """Return the key."""
        return jax.random.wrap_key_data(jnp.asarray(self.data), impl=self.kind)


def _portable(tree: Any) -> Any:
    """Return a pytree with leaves that can be pickled. A leaf that occurs several times stays one object."""
    known: dict[int, Any] = {}

    def made(leaf: Any) -> Any:
        if id(leaf) not in known:
            is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            known[id(leaf)] = _Key(leaf) if is_key else np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf
        return known[id(leaf)]

    return jax.tree.map(made, tree)


def _restored(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.restored() if isinstance(leaf, _Key) else leaf, tree)
