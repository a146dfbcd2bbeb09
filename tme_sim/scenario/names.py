"""Names: of scenarios and scans, which name files, and of what stands in them, which name columns.

They are plain ASCII, so that they can be paths, shell words, columns of a table and page texts
alike.
"""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tme_sim.scenario.quantities import refuse

TITLE = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"  # of a scenario or scan
NAME = r"[A-Za-z_][A-Za-z0-9_+-]*"  # of a group, substrate, cell type, drug or mutation
LONGEST = 100  # letters; file systems allow 255 with what is added
SHOWN = 40  # letters of a name, in a message


def title_of(stem: str) -> str:
    """A name made of a file's: accents are dropped, what no name may hold becomes ``_``."""
    letters = (c for c in unicodedata.normalize("NFKD", stem) if not unicodedata.combining(c))
    words = re.split(r"[^A-Za-z0-9_.+-]+", "".join(letters))
    return "_".join(filter(None, words)).lstrip(".+-")[:LONGEST] or "unnamed"


def fault_of(name: str) -> str | None:
    """What is wrong with the name of a group or substrate, in words; None where nothing is."""
    if len(name) > LONGEST:
        return f"found a name of {len(name)} letters, but at most {LONGEST} are allowed"
    if re.fullmatch(NAME, name):
        return None
    if re.fullmatch(NAME, f"_{name}"):
        return f"found the name {name!r}, but a name begins with a letter or _"
    return f"found the name {name!r}, but letters, digits, _ + - are allowed"


def _title(value: Any) -> Any:
    name = str(value)
    if isinstance(value, (str, int)) and re.fullmatch(TITLE, name) and len(name) <= LONGEST:
        return name
    allowed = f"at most {LONGEST} letters, digits, _ . + - that begin with a letter, digit or _"
    found, better = name[:SHOWN], title_of(name)[:SHOWN]
    return refuse(f"found {found!r}, but a name of {allowed} is needed, such as {better}")


Title = Annotated[str, BeforeValidator(_title), Field(pattern=TITLE, max_length=LONGEST)]
