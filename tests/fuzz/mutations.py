"""Structured changes of valid inputs: of trees, texts, bytes, HDF5 files and archives of arrays.

A mutation is a list of small changes, each with a generator of its own, so that it can be repeated
by its number and made smaller by leaving changes out.
"""

import functools
import json
import shutil
import zipfile

import h5py
import numpy as np
from safetensors.numpy import load_file, save_file

from tme_sim.output.seal import seal
from tme_sim.scenario.load import schema

MOST_CHANGES = 3
DEEP = 4000  # levels
WORDS = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    0.5,
    -0.0,
    1e5,
    2**70,
    "",
    " ",
    "0",
    "nan",
    "inf",
    "-1",
    "on",
    "1 um",
    "5 d",
    "12 h",
    "3 parsecs",
    "1 /",
    "um^um",
    "1 cells",
    "960 mg",
    "2 per hour",
    "1:30",
    "tumor",
    "oxygen",
    "vemurafenib",
    "BRAF_V600E",
    "all",
    "file",
    "type",
    "preset",
    "tme-cell",
    "a\0b",
    "\ud800",
    "\u202e\u2028",
    "é<script>alert(1)</script>",
    "=cmd()",
    "%s%n",
    "{0}",
    "a.b",
    "0.1",
    "../../x",
    "/dev/zero",
    "/dev/null",
    ".",
    "/",
    "~",
    "x" * 300,
    "9" * 400,
    [],
    {},
    [[]],
    [None],
    [0],
    ["a", 1],
    {"a": 1},
    {"": {}},
    {"value": 1},
    {"value": 1, "source": []},
)
LARGE = ("x" * 100_000, ["a"] * 3000, [0] * 3000, {f"k{i}": i for i in range(2000)})


def changes(kind, number, seed):
    """The generators of the changes that make up a mutation."""
    rng = np.random.default_rng([seed, number])
    n = 1 + int(rng.integers(MOST_CHANGES)) if kind != "bytes" else 1
    return [np.random.default_rng([seed, number, k]) for k in range(n)]


def mutate(path, kind, generators):
    """Change a file in place."""
    MUTATORS[kind](path, generators)


def pick(rng, items):
    return items[int(rng.integers(len(items)))]


def word(rng):
    return pick(rng, LARGE) if rng.random() < 0.02 else pick(rng, WORDS)


@functools.cache
def keys():
    """Every key that a scenario may have somewhere."""
    found = {"preset", "because", "value", "source", "evidence", "nodes", "axes", "arms", "table"}
    for part in (schema(), *schema()["$defs"].values()):
        found |= set(part.get("properties", ()))
    return sorted(found)


def places(tree, path=()):
    """Every path of a tree but its root."""
    found = []
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs:
        found.append((*path, key))
        if isinstance(value, (dict, list)):
            found += places(value, (*path, key))
    return found


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def change_tree(tree, rng):  # noqa: C901 - a case for each kind of change
    """One change somewhere in a tree; the new tree."""
    found = places(tree) if isinstance(tree, (dict, list)) else []
    if not found or rng.random() < 0.01:
        return word(rng)
    path = pick(rng, found)
    holder, key = at(tree, path[:-1]), path[-1]
    match int(rng.integers(8)):
        case 0 | 1 | 2:
            holder[key] = word(rng)
        case 3:
            del holder[key]
        case 4:
            holder[key] = json.loads(json.dumps(at(tree, pick(rng, found))))
        case 5:
            if isinstance(holder, dict):
                holder[str(word(rng))[:2000]] = holder.pop(key)
            else:
                holder.extend(json.loads(json.dumps(holder)) * int(rng.integers(1, 4)))
        case 6:
            if isinstance(holder, dict):
                known = pick(rng, keys()) if rng.random() < 0.7 else str(word(rng))[:2000]
                holder[known] = word(rng)
            else:
                holder.insert(key, word(rng))
        case 7:
            value = holder[key]
            holder[key] = pick(rng, ([value], {str(key): value}, [value, value], str(value)))
    return tree


def tree(path, generators):
    """Of a file of JSON, which YAML can read too."""
    data = json.loads(path.read_text("utf-8"))
    for rng in generators:
        data = change_tree(data, rng)
    text = json.dumps(data, indent=1)
    if generators[-1].random() < 0.01:
        text = text.replace("null", "[" * DEEP, 1)
    path.write_text(text, "utf-8")


def text(path, generators):  # noqa: C901 - a case for each kind of change
    """Of lines and fields of a table or a program."""
    lines = path.read_text("utf-8").split("\n")
    for rng in generators:
        k = int(rng.integers(len(lines)))
        cells = lines[k].replace("\t", ",").split(",")
        mark = "\t" if "\t" in lines[k] else ","
        match int(rng.integers(7)):
            case 0:
                cells[int(rng.integers(len(cells)))] = str(word(rng))
            case 1:
                del cells[int(rng.integers(len(cells)))]
            case 2:
                cells.insert(int(rng.integers(len(cells) + 1)), str(word(rng)))
            case 3:
                cells = [str(word(rng))]
            case 4:
                lines.insert(k, pick(rng, lines))
            case 5:
                cells = cells[::-1]
            case 6:
                cells[-1] += pick(rng, ('"', "'", "\0", "\r", "#", ";", "(", "\n\n", "\ufeff"))
        lines[k] = mark.join(cells)
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))


def octets(path, generators):
    """Of bytes, of whatever file."""
    content = bytearray(path.read_bytes())
    for rng in generators:
        k = int(rng.integers(len(content)))
        match int(rng.integers(6)):
            case 0 | 1:
                content[k] ^= 1 << int(rng.integers(8))
            case 2:
                content = content[: k + 1]
            case 3:
                n = int(rng.integers(1, 4096))
                content[k : k + n] = bytes(len(content[k : k + n]))
            case 4:
                content[k : k + 8] = rng.bytes(8)
            case 5:
                content[k:k] = content[k : k + int(rng.integers(1, 64))]
    path.write_bytes(content)


def hdf5(path, generators):
    """Of data sets and attributes."""
    with h5py.File(path, "r+") as file:
        for rng in generators:
            names = []
            file.visit(names.append)
            if names:
                change_hdf5(file, pick(rng, names), rng)
    seal(path)  # who changes a file on purpose can seal it again


def change_hdf5(file, name, rng):
    item = file[name]
    holder = file if rng.random() < 0.2 else item
    if len(holder.attrs) and rng.random() < 0.5:
        change_attribute(holder.attrs, rng)
        return
    if isinstance(item, h5py.Group) or rng.random() < 0.1:
        del file[name]
        if rng.random() < 0.5:
            file[name] = pick(rng, (0, "text", np.zeros((2, 2)), np.zeros(0, "S3")))
        return
    attributes, shape, dtype = dict(item.attrs), item.shape, item.dtype
    values = item[()] if item.size < 1e6 else np.zeros(shape, dtype)
    values = changed_values(values, rng)
    del file[name]
    if rng.random() < 0.05:  # a bomb: much declared, nothing there
        most = (200_000_000, *shape[1:])
        file.create_dataset(name, most, dtype, chunks=(4096, *shape[1:]) if shape else None)
    else:
        file[name] = values
    file[name].attrs.update(attributes)


def changed_values(values, rng):
    """An array of another shape, type or content."""
    values = np.asarray(values)
    match int(rng.integers(7)):
        case 0:
            return values[: values.shape[0] // 2] if values.ndim else np.zeros(3)
        case 1:
            return values[..., None]
        case 2:
            kind = pick(rng, ("f8", "i1", "u8", "S4", "?"))
            ok = values.dtype.kind in "fiub"
            with np.errstate(all="ignore"):
                return values.astype(kind) if ok else np.zeros(values.shape, kind)
        case 3:
            return np.zeros(
                (0, *values.shape[1:]), values.dtype if values.dtype != object else "S1"
            )
        case 4:
            return values.ravel()[:1].reshape(()) if values.size else np.float64(0)
    if values.dtype.kind not in "fiu" or not values.size:
        return np.asarray([b"\xff\xfe"] * max(1, values.size), "S2").reshape(values.shape or (1,))
    values = values.copy()
    some = rng.random(values.shape) < pick(rng, (0.01, 0.3, 1.0))
    with np.errstate(all="ignore"):
        wild = np.asarray(pick(rng, (-1, 0, 77, 1e9, 1e30, np.nan, np.inf, -(2**62))))
        values[some] = wild.astype(values.dtype)
    return values


def change_attribute(attributes, rng):
    key = pick(rng, list(attributes))
    value = attributes[key]
    match int(rng.integers(4)):
        case 0:
            del attributes[key]
        case 1:
            options = (
                "text",
                5,
                -1.5,
                np.nan,
                np.zeros((2, 2)),
                np.zeros(0),
                "x" * 60_000,
                h5py.Empty("f"),
            )
            attributes[key] = pick(rng, options)
        case 2:
            attributes[key] = (
                np.ravel(np.asarray(value, "f8") * -7)
                if np.asarray(value).dtype.kind in "fiu"
                else b"\xff\xfe"
            )
        case 3:
            attributes[key] = 2**62 if np.ndim(value) == 0 else np.full(len(value), 2**62)


def archive(path, generators):
    """Of the arrays and the JSON tree of a checkpoint."""
    with np.load(path) as arrays:
        held = {name: arrays[name] for name in arrays.files}
    for rng in generators:
        name = "tree" if rng.random() < 0.5 else pick(rng, list(held))
        if name == "tree":
            data = change_tree(json.loads(held["tree"].tobytes()), rng)
            held["tree"] = np.frombuffer(json.dumps(data).encode(), "u1")
        else:
            held[name] = changed_values(held[name], rng)
    np.savez(path, **held)
    if generators[0].random() < 0.02:
        with zipfile.ZipFile(path, "a") as zipped:
            zipped.writestr("tree.npy", b"again")


def safetensors(path, generators):
    """Of the arrays or the head of a weight file."""
    rng = generators[0]
    if rng.random() < 0.5:
        tensors = load_file(path)
        for rng in generators:
            name = pick(rng, list(tensors))
            tensors[name] = np.ascontiguousarray(changed_values(tensors[name], rng))
            if rng.random() < 0.2:
                tensors[pick(rng, list(tensors)) + "x"] = tensors.pop(name)
        kept = {k: v for k, v in tensors.items() if v.dtype.kind in "fiub"}
        save_file(kept, path)
        return
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:end])
    for rng in generators:
        head = change_tree(head, rng)
    packed = json.dumps(head).encode()
    path.write_bytes(len(packed).to_bytes(8, "little") + packed + content[end:])


MUTATORS = {
    "tree": tree, "text": text, "bytes": octets, "hdf5": hdf5, "archive": archive,
    "safetensors": safetensors,
}  # fmt: skip


def copy(source, target):
    """A fresh copy of a folder of inputs."""
    shutil.copytree(source, target, dirs_exist_ok=True)
