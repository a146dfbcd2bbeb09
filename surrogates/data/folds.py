"""Folds of every data set, decided before the first fit: one line or drug, one fold, everywhere.

A line held out of one set is held out of all, under any of its names; so is a drug. The folds of
both are listed in `folds.tsv`. Lines are dealt within their tissue, so that each fold has its
share of every tissue; six lines are kept out of all training rows. A row that is to be held out by
itself (a dose, a time, a schedule) has the fold of its key, `row_fold`, which needs no list: an
unseen row has its fold already.
"""

import csv
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

N_FOLDS = 5
SEED = "tme-sim folds 1"  # never changed: all figures told so far rest on it
HELD_OUT = -1  # fold of the lines that train nothing, in any set
HELD_OUT_LINES = ("HCC1143", "SUM149", "BT549", "MDAMB157", "T47D", "H1048")
_SAME_LINE = {
    "SUM149PT": "SUM149",
    "SUM159PT": "SUM159",
    "SUM185PE": "SUM185",
    "SUM1315MO2": "SUM1315",
    "MDAMB134VI": "MDAMB134",
    "MDAMB175VII": "MDAMB175",
    "NIHOVCAR3": "OVCAR3",
    "A549ATCC": "A549",
    "MDAMB231ATCC": "MDAMB231",
    "HL60TB": "HL60",
    "7860": "786O",
    "HTERT": "HTERTHME1",
    "HTERTHME": "HTERTHME1",
}
_SAME_DRUG = {
    "gsk1120212": "trametinib",
    "gsk2118436": "dabrafenib",
    "plx4032": "vemurafenib",
    "bibw2992": "afatinib",
    "azd6244": "selumetinib",
    "mek162": "binimetinib",
    "gdc0941": "pictilisib",
    "gdc0973": "cobimetinib",
    "pd0332991": "palbociclib",
    "pf2341066": "crizotinib",
    "inc280": "capmatinib",
    "incb28060": "capmatinib",
    "azd2281": "olaparib",
    "abt263": "navitoclax",
    "abt199": "venetoclax",
    "mln8237": "alisertib",
    "byl719": "alpelisib",
    "rad001": "everolimus",
    "ly2835219": "abemaciclib",
    "lee011": "ribociclib",
    "azd9291": "osimertinib",
    "hki272": "neratinib",
    "barasertib": "azd1152hqpa",
    "mirdametinib": "pd0325901",
    "paraplatin": "carboplatin",
    "taxol": "paclitaxel",
    "adriamycin": "doxorubicin",
    "fluorouracil": "5fluorouracil",
    "5fu": "5fluorouracil",
    "tae684": "nvptae684",
    "azd0530": "saracatinib",
    "ym155": "sepantroniumbromide",
    "venotoclax": "venetoclax",
    "17aag": "tanespimycin",
    "bez235": "dactolisib",
    "azd8931": "sapitinib",
    "azd6094": "savolitinib",
    "zd6474": "vandetanib",
    "tki258": "dovitinib",
    "pf00299804": "dacomitinib",
    "rapamycin": "sirolimus",
    "azd1775": "mk1775",
    "azd2014": "vistusertib",
    "azd5363": "capivasertib",
    "azd6738": "ceralasertib",
    "bvd523": "ulixertinib",
    "nvpbkm120": "buparlisib",
    "azd2171": "cediranib",
    "ldk378": "ceritinib",
    "sch727965": "dinaciclib",
    "flavopiridol": "alvocidib",
    "mln0128": "ink128",
    "gdc0068": "ipatasertib",
    "ly2606368": "prexasertib",
    "nvpauy922": "luminespib",
    "arq197": "tivantinib",
    "gdc0032": "taselisib",
    "bi6727": "volasertib",
}


def canonical_line(name: str) -> str:
    """One spelling of a cell line: `MDA-MB-231/ATCC` is `MDAMB231`, `NCI-H1048` is `H1048`."""
    plain = re.sub(r"[^A-Z0-9]", "", name.upper())
    plain = _SAME_LINE.get(plain, plain)
    return re.sub(r"^NCI(?=[HN]\d)", "", plain)


def canonical_drug(name: str) -> str:
    """One spelling of a drug: `GSK1120212` is `trametinib`; salts and marks are left out."""
    plain = re.sub(r"\(.*?\)", "", name.lower())
    plain = re.sub(r"\b(hydrochloride|hcl|mesylate|tosylate|citrate|sulfate)\b", "", plain)
    plain = re.sub(r"[^a-z0-9]", "", plain)
    return _SAME_DRUG.get(plain, plain)


def deal(names: Sequence[str], kind: str) -> dict[str, int]:
    """Folds 0..N_FOLDS - 1 of the names of one stratum, dealt round in an order drawn by SEED."""
    drawn = sorted(names, key=lambda name: _draw(kind, name))
    first = _draw(kind, *sorted(names)) % N_FOLDS if names else 0
    return {name: (first + k) % N_FOLDS for k, name in enumerate(drawn)}


def line_fold(name: str) -> int:
    """Fold of a line by any of its names; HELD_OUT for the six that train nothing.

    Raises KeyError for a line that stands in no set.
    """
    return _listed("line")[canonical_line(name)]


def drug_fold(name: str) -> int:
    """Fold of a drug by any of its names. Raises KeyError for one that stands in no set."""
    return _listed("drug")[canonical_drug(name)]


def row_fold(data_set: str, *key: str | float) -> int:
    """Fold of a row of a data set by what identifies it: drug, dose [uM], time [h] and the like.

    Numbers enter with six digits, so that 0.1 and 0.10000001 are one dose.
    """
    words = (part if isinstance(part, str) else f"{part:.6g}" for part in key)
    return _draw("row", data_set, *words) % N_FOLDS


@cache
def _listed(kind: str) -> dict[str, int]:
    text = (Path(__file__).parent / "folds.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["name"]: int(row["fold"]) for row in rows if row["kind"] == kind}


def _draw(*words: str) -> int:
    text = "\t".join((SEED, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


__all__ = [
    "HELD_OUT",
    "HELD_OUT_LINES",
    "N_FOLDS",
    "canonical_drug",
    "canonical_line",
    "deal",
    "drug_fold",
    "line_fold",
    "row_fold",
]
