"""Which profile suits this machine, and what each would need."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.config import load_settings, profile_names, setup_of
from duologue.engines.fit import Need, Problem, needs_of, problems_of
from duologue.engines.machine import Machine

# What the profiles want as they are: cards of 24 GB, and of 6 or 8. ``doctor`` shows the sum.
VOXTRAL_MIB = 21_000
CASCADE_MIB = 6_000
CPU_CORES = 4
# For measuring, not for talking.
NOT_OFFERED = {"scripted"}


@dataclass(frozen=True, slots=True)
class Suit:
    """One profile on this machine. ``problems``: what stands in the way, the fatal first."""

    profile: str
    description: str
    needs: list[Need]
    problems: list[Problem]

    @property
    def is_ready(self) -> bool:
        """Whether it starts as it stands; a server that it wants may still be away."""
        return not any(problem.is_fatal for problem in self.problems)

    @property
    def steps(self) -> list[str]:
        """What to do, and what to know, a line each."""
        return [_step(problem) for problem in self.problems] + [
            f"A server for {need.stage}: {need.server}." for need in self.needs if need.server
        ]


def _step(problem: Problem) -> str:
    if problem.stage == "memory":
        return problem.what
    return problem.told if problem.is_fatal else problem.remedy or problem.what


def best_profile(machine: Machine) -> str:
    """The one to choose here, once what it needs is installed."""
    if machine.gpu is not None and machine.gpu.memory_mib >= VOXTRAL_MIB:
        return "voxtral"
    if machine.gpu is not None and machine.gpu.memory_mib >= CASCADE_MIB:
        return "cascade"
    return "cpu" if machine.cores >= CPU_CORES else "embedded"


def suits(machine: Machine) -> list[Suit]:
    """Every profile that people talk with, against ``machine``."""
    found = []
    for name in profile_names():
        if name not in NOT_OFFERED:
            setup = setup_of(load_settings({"profile": name}))
            needs = needs_of(setup, machine)
            found.append(Suit(name, setup.description, needs, problems_of(needs, machine)))
    return found
