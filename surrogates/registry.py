"""Find, load, save and describe weights: a folder with weights.safetensors and card.json."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from surrogates.network.domain import COUNTED, Domain, everywhere
from surrogates.network.parameters import FACTORS, GROUPS, HIDDEN, Raw
from surrogates.network.residual import Residual
from surrogates.network.residual import check as check_residual
from surrogates.prior.graph import Network

SHIPPED = Path(__file__).parent / "weights"
NEEDED = (
    *("network.theta", "network.bias", "network.share", "network.tempo"),
    *("domain.low", "domain.high", "domain.mean", "domain.whiten", "domain.limits"),
)
WEIGHT_FILE, CARD_FILE, CARD_TEXT = "weights.safetensors", "card.json", "card.md"
BUILT_IN = {
    "teacher": "mechanistic reference model (ODE) behind the same contract",
    "constant": "fixed rates per cell type, everything else zero",
}
Card = dict[str, Any]  # a JSON document, as `json` reads it; keys: `evaluation.card`


@dataclass(frozen=True, eq=False)
class Weights:
    """What a weight file holds."""

    raw: Raw
    domain: Domain


def names() -> list[str]:
    """Cell models that can be loaded by name."""
    shipped = [p.parent.name for p in SHIPPED.glob(f"*/{WEIGHT_FILE}")]
    return sorted(shipped) + sorted(BUILT_IN)


def find_weights(name: str | None = None, path: str | Path | None = None) -> Path:
    """Folder of shipped weights by name, or a user's folder."""
    folder = SHIPPED / str(name) if path is None else Path(path)
    if not (folder / WEIGHT_FILE).is_file():
        what = f"surrogate {name!r}" if path is None else f"folder {str(folder)!r}"
        msg = f"{what} has no {WEIGHT_FILE}; by name there are {names()}"
        raise FileNotFoundError(msg)
    return folder


def count_members(name: str | None = None, path: str | Path | None = None) -> int:
    """How many members an ensemble has, from the head of its weight file."""
    with safe_open(find_weights(name, path) / WEIGHT_FILE, "numpy") as file:
        shape: Sequence[int] = file.get_slice("network.theta").get_shape()
    return shape[0]


def save_weights(folder: str | Path, weights: Weights) -> Path:
    """Write the weight file, under another name first, then moved into place."""
    target = Path(folder) / WEIGHT_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{k}": v for k, v in weights.raw.arrays().items()}
    tensors["network.joint"] = np.array(weights.raw.joint)
    if weights.raw.residual is not None:
        tensors |= {f"residual.{k}": v for k, v in weights.raw.residual.arrays().items()}
    tensors |= {f"domain.{k}": v for k, v in weights.domain.arrays().items()}
    partial = target.with_suffix(".writing")
    save_file({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}, partial)
    partial.replace(target)
    return target


def load_weights(folder: str | Path, network: Network) -> Weights:
    """Read a weight file and check that it belongs to this scaffold.

    Raises:
        ValueError: the file is damaged, or of another scaffold.
    """
    path = Path(folder) / WEIGHT_FILE
    tensors = _tensors(path)
    uncounted = np.full(len(COUNTED), np.inf, np.float32)  # weights of version 0.1
    tensors.setdefault("domain.most", uncounted)
    _check_shapes(tensors, path, network)
    joint = tensors.get("network.joint", np.zeros(0, np.float32)).ravel()
    if not np.isin(joint, np.arange(len(network.parent))).all():
        msg = f"{path}: network.joint names units that the scaffold does not have"
        raise ValueError(msg)
    raw = Raw(
        theta=tensors["network.theta"],
        bias=tensors["network.bias"],
        share=tensors["network.share"],
        tempo=tensors["network.tempo"],
        residual=_residual(tensors, path, network),
        joint=tuple(int(unit) for unit in joint),
    )
    domain = Domain(
        low=tensors["domain.low"],
        high=tensors["domain.high"],
        mean=tensors["domain.mean"],
        whiten=tensors["domain.whiten"],
        limits=tensors["domain.limits"],
        most=tensors["domain.most"],
    )
    return Weights(raw, domain)


def _check_shapes(tensors: dict[str, np.ndarray], path: Path, network: Network) -> None:
    """Refuse arrays that are not as large as the scaffold and the list of inputs say."""
    n_units, width = network.parent.shape
    per_member = {
        "theta": (n_units, width, HIDDEN),
        "bias": (n_units, HIDDEN),
        "share": (n_units, GROUPS + 1),
        "tempo": (network.n_nodes,),
    }
    n_members = tensors["network.theta"].shape[:1]
    for name, shape in per_member.items():
        found = tensors[f"network.{name}"].shape
        if found[1:] != shape or found[:1] != n_members or n_members == (0,):
            msg = (
                f"{path}: {name} has shape {found[1:]} per member, the scaffold of this version "
                f"needs {shape} ({GROUPS} products of {FACTORS}); train it again"
            )
            raise ValueError(msg)
    for name, values in everywhere().arrays().items():
        found = tensors[f"domain.{name}"].shape
        if found != values.shape:
            msg = f"{path}: domain.{name} has shape {found}, but {values.shape} is needed"
            raise ValueError(msg)


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """What a weight file holds, if it is whole and all of it are numbers."""
    try:
        tensors: dict[str, np.ndarray] = load_file(path)
    except (SafetensorError, ValueError, KeyError) as err:
        msg = f"{path}: is damaged, or no weight file ({err})"
        raise ValueError(msg) from err
    missing = sorted(set(NEEDED) - tensors.keys())
    if missing:
        msg = f"{path}: lacks {', '.join(missing)}"
        raise ValueError(msg)
    broken = sorted(
        name for name, values in tensors.items() if values.dtype != "f4" or np.isnan(values).any()
    )
    if broken:
        msg = f"{path}: {', '.join(broken)} hold values that are no numbers"
        raise ValueError(msg)
    return tensors


def _residual(tensors: dict[str, np.ndarray], path: Path, network: Network) -> Residual | None:
    """The learned term that is added to the scaffold, if the weights have one."""
    names = {name for name in tensors if name.startswith("residual.")}
    if not names:
        return None
    if not names >= {"residual.read", "residual.bias", "residual.write"}:
        msg = f"{path}: holds a part of a residual, {', '.join(sorted(names))}"
        raise ValueError(msg)
    residual = Residual(
        read=tensors["residual.read"],
        bias=tensors["residual.bias"],
        write=tensors["residual.write"],
    )
    problem = check_residual(residual, network.n_nodes, network.n_sources)
    if problem:
        msg = f"{path}: {problem}"
        raise ValueError(msg)
    return residual


def weights_hash(folder: str | Path) -> str:
    """sha256 of the weight file."""
    return hashlib.sha256((Path(folder) / WEIGHT_FILE).read_bytes()).hexdigest()


def refuse_foreign_card(folder: str | Path, digest: str) -> None:
    """Refuse weights that are not those their card tells of: damaged, or of another training.

    Weights without a card are a user's own, that nobody has told anything of yet.

    Raises:
        ValueError: with both hashes.
    """
    path = Path(folder) / CARD_FILE
    if not path.is_file():
        return
    told = load_card(folder).get("hash")
    if told != digest:
        msg = (
            f"{path.with_name(WEIGHT_FILE)}: has the hash {digest[:12]}, but {CARD_FILE} was "
            f"written for {str(told)[:12]}; put back the weights of that card"
        )
        raise ValueError(msg)


def load_card(folder: str | Path) -> Card:
    """The card of a folder of weights.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    path = Path(folder) / CARD_FILE
    if not path.is_file():
        msg = f"{path.parent} has no {CARD_FILE}"
        raise FileNotFoundError(msg)
    try:
        card: Card = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as err:
        msg = f"{path}: is damaged, or no card ({err})"
        raise ValueError(msg) from err
    if not isinstance(card, dict):
        msg = f"{path}: is no card"
        raise ValueError(msg)
    return card


def write_card(folder: str | Path, card: Card, text: str) -> None:
    """Store a card as data and as text."""
    (Path(folder) / CARD_FILE).write_text(json.dumps(card, indent=1) + "\n", "utf-8")
    (Path(folder) / CARD_TEXT).write_text(text, "utf-8")


def list_surrogates() -> list[dict[str, str]]:
    """Name and hash of every model that can be loaded by name, and one line about it."""
    rows = []
    for name in names():
        if name in BUILT_IN:
            rows.append({"name": name, "about": BUILT_IN[name], "hash": ""})
        else:
            card = load_card(SHIPPED / name)
            rows.append({"name": name, "about": card["about"], "hash": card["hash"][:12]})
    return rows


def show(name: str | None = None, *, path: str | Path | None = None) -> str:
    """The card of a model as text."""
    if path is None and name in BUILT_IN:
        return f"{name}: {BUILT_IN[name]}\n"
    return (find_weights(name, path) / CARD_TEXT).read_text("utf-8")
