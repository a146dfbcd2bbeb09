"""Stochastic Boolean models in the MaBoSS format: nodes that flip at rates set by logic.

A model is a .bnd file (per node: logic, other attributes, rate_up, rate_down) and a .cfg file
(values of $variables, initial states). Every node flips on at rate_up while off, off at rate_down
while on; the process is simulated exactly (Stoll 2012, BMC Syst Biol 6:116,
doi:10.1186/1752-0509-6-116; Gillespie 1977), many copies side by side.

Expressions: numbers, node names, $variables, @attributes, NOT ! AND & && OR | || XOR ^,
comparisons, + - * /, c ? a : b, TRUE, FALSE.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import numpy as np

_NODE = re.compile(r"\bnode\s+(\w+)\s*\{(.*?)\}", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(
    r"\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|[@$]?[A-Za-z_]\w*|&&|\|\||[<>=!]="
    r"|[-+*/()?:!&|^<>])"
)
_WORDS = {"AND": "&", "OR": "|", "NOT": "!", "XOR": "^", "&&": "&", "||": "|"}
_BINARY = (
    {"|": "({a} != 0) | ({b} != 0)"},
    {"^": "({a} != 0) ^ ({b} != 0)"},
    {"&": "({a} != 0) & ({b} != 0)"},
    {s: f"({{a}}) {s} ({{b}})" for s in ("<", ">", "<=", ">=", "==", "!=")},
    {s: f"({{a}}) {s} ({{b}})" for s in ("+", "-")},
    {s: f"({{a}}) {s} ({{b}})" for s in ("*", "/")},
)  # from loosest to tightest
FASTEST = 1e6  # rates above, such as the 1e100 that stands for at once, are taken as this


@dataclass(frozen=True, eq=False)
class BooleanModel:
    """Nodes, how they begin, and compiled rates."""

    nodes: tuple[str, ...]
    start: np.ndarray  # (n_nodes,), probability to begin on
    rate_up: tuple[CodeType, ...]
    rate_down: tuple[CodeType, ...]

    def on_time(
        self, fixed: Mapping[str, bool], *, copies: int, time: float, seed: int
    ) -> np.ndarray:
        """Share of the second half of `time` that each node is on (n_nodes,), mean of copies.

        `fixed` nodes keep their value from the start: a loss (False) or an activation (True).
        """
        draw = np.random.default_rng(seed)
        state = draw.random((len(self.nodes), copies)) < self.start[:, None]
        held = np.array([name in fixed for name in self.nodes])
        for name, value in fixed.items():
            state[self._index(name)] = value
        now, on = np.zeros(copies), np.zeros((len(self.nodes), copies))
        while (now < time).any():
            rate = self._rates(state)
            rate[held] = 0.0
            total = rate.sum(axis=0)
            wait = draw.exponential(size=copies) / np.where(total > 0.0, total, 1e-30)
            end = np.minimum(now + wait, time)
            on += state * np.maximum(end - np.maximum(now, 0.5 * time), 0.0)
            flips = now + wait < time
            which = (rate.cumsum(axis=0) < draw.random(copies) * total).sum(axis=0)
            which = np.minimum(which, len(self.nodes) - 1)
            copy = np.flatnonzero(flips)
            state[which[copy], copy] ^= True
            now = end
        return on.mean(axis=1) / (0.5 * time)

    def _index(self, name: str) -> int:
        if name not in self.nodes:
            msg = f"the Boolean model has no node {name!r}; it has {sorted(self.nodes)}"
            raise ValueError(msg)
        return self.nodes.index(name)

    def _rates(self, state: np.ndarray) -> np.ndarray:
        """Rate at which each node of each copy flips (n_nodes, n_copies)."""
        # as numbers: the sum of two truth values would be another truth value
        values = {"x": state.astype(np.int16), "where": np.where, "__builtins__": {}}
        rate = np.empty(state.shape)
        for k, (up, down) in enumerate(zip(self.rate_up, self.rate_down, strict=True)):
            rate[k] = np.where(state[k], eval(down, values), eval(up, values))
        return np.clip(rate, 0.0, FASTEST)


def load(bnd: str | Path, cfg: str | Path) -> BooleanModel:
    """Read a model; what cannot be read is told with the node it stands in."""
    blocks = {name: _attributes(body) for name, body in _NODE.findall(_text(bnd))}
    variables, start = _settings(_text(cfg), blocks.keys())
    compiled = {}
    for name, attributes in blocks.items():
        for rate in ("rate_up", "rate_down"):
            parser = _Parser(tuple(blocks), attributes, variables)
            try:
                source = parser.parse(
                    attributes.get(rate, "@logic" if rate == "rate_up" else "NOT @logic")
                )
            except (ValueError, RecursionError) as error:
                msg = f"{bnd}: node {name}, {rate}: {error}"
                raise ValueError(msg) from error
            compiled[name, rate] = compile(source, f"{name}.{rate}", "eval")
    return BooleanModel(
        nodes=tuple(blocks),
        start=np.array([start[name] for name in blocks]),
        rate_up=tuple(compiled[name, "rate_up"] for name in blocks),
        rate_down=tuple(compiled[name, "rate_down"] for name in blocks),
    )


def _text(path: str | Path) -> str:
    """A file without comments."""
    text = Path(path).read_text("utf-8", errors="replace")  # comments come in any encoding
    return re.sub(r"//[^\n]*", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))


def _attributes(body: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in body.split(";") if "=" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _settings(text: str, nodes) -> tuple[dict[str, str], dict[str, float]]:
    """Variables as text, and the probability of every node to begin on (1/2 unless given)."""
    variables, start = {}, dict.fromkeys(nodes, 0.5)
    for part in text.split(";"):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name.startswith("$"):
            variables[name] = value
        elif name.lower().endswith(".istate"):
            start[name[: -len(".istate")].strip("[] ")] = _probability(value)
    return variables, {name: start[name] for name in nodes}


def _probability(value: str) -> float:
    """Of being on: `1`, `TRUE`, `-1` (either), or `0.3 [0], 0.7 [1]`."""
    pairs = re.findall(r"([\d.eE+-]+)\s*\[([01])\]", value)
    if pairs:
        by_state = {state: float(weight) for weight, state in pairs}
        return by_state.get("1", 0.0) / sum(by_state.values())
    plain = {"true": 1.0, "false": 0.0}.get(value.lower())
    number = float(value) if plain is None else plain
    return 0.5 if number < 0.0 else min(number, 1.0)


class _Parser:
    """Recursive descent from an expression to Python source over `x[k]` and `where`."""

    def __init__(
        self, nodes: tuple[str, ...], attributes: Mapping[str, str], variables: Mapping[str, str]
    ) -> None:
        self._nodes, self._attributes, self._variables = nodes, attributes, variables
        self._tokens: list[str] = []

    def parse(self, text: str) -> str:
        """Python source of an expression; an attribute or variable is put in its place."""
        outer, self._tokens = self._tokens, _tokens(text)
        source = self._choice()
        if self._tokens:
            msg = f"cannot read {self._tokens[0]!r} in {text!r}"
            raise ValueError(msg)
        self._tokens = outer
        return f"({source})"

    def _choice(self) -> str:
        condition = self._binary(0)
        if not self._take("?"):
            return condition
        first = self._choice()
        self._expect(":")
        return f"where(({condition}) != 0, {first}, {self._choice()})"

    def _binary(self, level: int) -> str:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while self._tokens and self._tokens[0] in _BINARY[level]:
            template = _BINARY[level][self._tokens.pop(0)]
            left = f"({template.format(a=left, b=self._binary(level + 1))})"
        return left

    def _unary(self) -> str:
        if self._take("!"):
            return f"(({self._unary()}) == 0)"
        if self._take("-"):
            return f"(-({self._unary()}))"
        if self._take("("):
            inner = self._choice()
            self._expect(")")
            return f"({inner})"
        return self._name(self._tokens.pop(0) if self._tokens else "the end")

    def _name(self, token: str) -> str:
        if token.upper() in ("TRUE", "FALSE"):
            return "1" if token.upper() == "TRUE" else "0"
        if token[0].isdigit():
            return token
        if token in self._nodes:
            return f"x[{self._nodes.index(token)}]"
        table = self._attributes if token[0] == "@" else self._variables
        key = token[1:] if token[0] == "@" else token
        if key not in table:
            msg = f"{token!r} is not a node, number, attribute or variable"
            raise ValueError(msg)
        return self.parse(table[key])

    def _take(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            msg = f"{token!r} is missing"
            raise ValueError(msg)


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            msg = f"cannot read {text[place : place + 20]!r}"
            raise ValueError(msg)
        token, place = match.group(1), match.end()
        found.append(_WORDS.get(token.upper(), token))
    return found


__all__ = ["BooleanModel", "load"]
