"""Halting policies by their string form: ``make("kl:0.001")``, ``make("any(patience:2, min:3(kl:0.1))")``.

A new policy is one class in `rules.py` or `threshold_rules.py` and one line in `POLICIES`. A user's own policy needs no
line: it is written ``package.module:Class``, followed by its parameters.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

from hrm_agent.halting import rules, threshold_rules, view_policies
from hrm_agent.halting.combinators import Abstain, AllOf, AnyOf, Combination, Max, Min
from hrm_agent.halting.learned import Learned
from hrm_agent.halting.policy import HaltingPolicy
from hrm_env.checks import check_choice, shortened

POLICIES: dict[str, type[HaltingPolicy]] = {
    "q-compare": rules.QCompare,
    "q-threshold": rules.QThreshold,
    "q-margin": rules.QMargin,
    "cumulative": rules.Cumulative,
    "cdf": rules.HaltingCDF,
    "ponder": rules.Ponder,
    "residual": threshold_rules.Residual,
    "cosine": threshold_rules.Cosine,
    "kl": threshold_rules.KL,
    "entropy": threshold_rules.Entropy,
    "margin": threshold_rules.Margin,
    "patience": rules.Patience,
    "verifier": threshold_rules.Verifier,
    "fixed": rules.Fixed,
    "random": rules.Random,
    "oracle": threshold_rules.Oracle,
    "sb3": Learned,
    "any": AnyOf,
    "all": AllOf,
    "min": Min,
    "max": Max,
    "abstain": Abstain,
    "halt-first": view_policies.HaltFirst,
    "best-q": view_policies.BestQ,
    "best-residual": view_policies.BestResidual,
}
"""Policies by name; a `Combination` takes inner policies in parentheses."""

_OWN = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<kind>[^\W\d]\w*)(?=[:(]|$)")
_LONGEST, _MOST_LISTS = 10_000, 100  # of a policy's string form, which is read by recursion
_LARGEST = 2**31 - 1  # of an integer: seeds and segments are multiplied in int64


def make(policy: str | HaltingPolicy, *, trusted: bool = True) -> HaltingPolicy:
    """Makes a policy from its string form ``name[:value...]`` or ``name[:value...](policy, ...)``.

    Args:
        policy: The string form, in which ``package.module:Class`` names a user's policy class; or a policy, which is
            returned unchanged.
        trusted: Whether the user wrote the string. A string from a file is not trusted: it may neither import a module
            nor name another file.

    Raises:
        ValueError: The name is unknown, a parameter is missing, malformed or out of range, or a string that is not
            trusted would import a module or open a file.
    """
    if isinstance(policy, HaltingPolicy):
        return policy
    if not isinstance(policy, str):
        raise ValueError(f"halting: expected a policy or its string form, found {shortened(policy)}")
    if policy.strip() != policy:
        raise ValueError(f"halting {shortened(policy)}: expected no space at the beginning or the end")
    if len(policy) > _LONGEST or policy.count("(") > _MOST_LISTS:
        raise ValueError(
            f"halting {shortened(policy)}: expected at most {_LONGEST:,} characters and {_MOST_LISTS} opening "
            f"parentheses, found {len(policy):,} and {policy.count('('):,}"
        )
    return _made(policy, policy, trusted)


def rule_of(policy: str) -> str:
    """Returns the name of the rule in a policy's string form: ``"kl"`` of ``"kl:0.01"``."""
    name = policy.partition("(")[0].partition(":")[0]
    own = None if name in POLICIES else _OWN.match(policy)
    return own[0] if own else name


def split_list(text: str) -> list[str]:
    """Splits a list at its commas outside parentheses; an empty text gives an empty list."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts] if text.strip() else []


def _made(text: str, whole: str, trusted: bool) -> HaltingPolicy:
    """Makes the policy of ``text``, which is ``whole`` or a part of it in parentheses."""
    where = f"halting {shortened(whole)}"
    name = rule_of(text)
    argument = "halting" if text == whole else where
    kind = _own_kind(name, where, trusted) if ":" in name else POLICIES[check_choice(argument, name, POLICIES)]
    rest, given = text[len(name) :], {}
    if issubclass(kind, Combination):
        rest, opened, inner = rest.partition("(")
        if opened and not inner.endswith(")"):
            raise ValueError(f"{where}: expected a closing parenthesis at the end of {shortened(text)}")
        given["policies"] = [_made(part, whole, trusted) for part in _inner(kind, name, opened, inner[:-1], where)]
    elif "(" in rest:
        raise ValueError(f"{where}: {name} takes no policies in parentheses")
    if kind.parameters[-1:] == (str,) and not trusted:
        raise ValueError(f"{where}: expected a policy that names no file, because it stands in one itself; {_WAY_OUT}")
    values = _values(kind, name, rest, where)
    try:
        made = kind(*values, **given)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    made.name = text
    return made


_WAY_OUT = "give the policy yourself, as halting=... or --halting"


def _own_kind(name: str, where: str, trusted: bool) -> type[HaltingPolicy]:
    """Imports the class of ``module:Class``."""
    if not trusted:
        raise ValueError(f"{where}: expected a policy that imports no module, because it stands in a file; {_WAY_OUT}")
    module, _, kind = name.partition(":")
    try:
        found = getattr(import_module(module), kind, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # what the module itself imports is missing
        raise ValueError(
            f"{where}: expected one of {', '.join(POLICIES)}, or module:Class, found no module {error.name!r}"
        ) from None
    if not (isinstance(found, type) and issubclass(found, HaltingPolicy)) or inspect.isabstract(found):
        raise ValueError(f"{where}: expected {kind} of {module} to be a HaltingPolicy, found {shortened(found)}")
    return found


def _inner(kind: type[Combination], name: str, opened: str, inner: str, where: str) -> list[str]:
    """Returns the inner policies of a combination, or its default if it has no parentheses."""
    found = split_list(inner if opened or kind.default is None else kind.default)
    if not all(found) or not (found or kind.default == ""):
        what = "an empty place in the list" if found else "no policy"
        raise ValueError(f"{where}: expected {_form(kind, name)}, found {what}")
    return found


def _values(kind: type[HaltingPolicy], name: str, rest: str, where: str) -> list[Any]:
    """Parses the parameters in ``rest``, which begins with a colon unless it is empty."""
    types = kind.parameters
    last_is_path = types[-1:] == (str,)  # it may hold colons
    texts = rest[1:].split(":", len(types) - 1 if last_is_path else -1) if rest else []
    needed = [parameter.default is parameter.empty for parameter in _signature(kind)]
    if len(texts) > len(types) or any(needed[len(texts) :]):
        found = f"{len(texts)} parameter{'' if len(texts) == 1 else 's'}"
        raise ValueError(f"{where}: expected {_form(kind, name)}, found {found}")
    return [
        _value(type_, text, f"{where}: {parameter.name}")
        for type_, text, parameter in zip(types, texts, _signature(kind), strict=False)
    ]


def _value(type_: type, text: str, where: str) -> Any:
    try:
        value = type_(text)
    except ValueError:  # int and float raise it for a text that is no number
        value = None
    if value is None or (type_ is int and abs(value) > _LARGEST):
        expected = {int: f"an integer of at most {_LARGEST}", float: "a number"}.get(type_, type_.__name__)
        raise ValueError(f"{where}: expected {expected}, found {shortened(text)}")
    return value


def _form(kind: type[HaltingPolicy], name: str) -> str:
    """Returns the syntax of a policy: ``random:probability[:seed]``, ``min:segments(policy, ...)``."""
    parts = [
        f":{parameter.name}" if parameter.default is parameter.empty else f"[:{parameter.name}]"
        for parameter in _signature(kind)
    ]
    inner = ""
    if issubclass(kind, Combination):
        inner = "(policy, ...)" if kind.default is None else "[(policy, ...)]"
    return name + "".join(parts) + inner


def _signature(kind: type[HaltingPolicy]) -> list[inspect.Parameter]:
    """Returns the constructor arguments that `parameters` are passed to."""
    return list(inspect.signature(kind).parameters.values())[: len(kind.parameters)]
