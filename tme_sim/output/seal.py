"""Checksums behind a closed run file: whatever is read of it is what was written.

The seal follows the last byte of HDF5, which ignores what stands there, and is gone as soon as
something opens the file to write:

    checksums   uint32[n], little-endian: CRC-32 of each block of BLOCK bytes before the seal; the
                last block may be shorter
    footer      n_bytes uint64, the length of what is sealed; CRC-32 uint32 of all of the seal
                before it; MAGIC

CRC-32 finds every flipped bit and every burst of up to 32 of them; of other damage it misses one
in four thousand million. It is no signature: who changes a file on purpose can seal it again.
"""

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from tme_sim.output.layout import RunFileError

BLOCK = 8192
MAGIC = b"tme-sim seal 1\r\n"
_FOOTER = struct.Struct("<QI16s")


def seal(path: Path) -> None:
    """Append the checksums of all that is in a file, and wait until they are on the disk.

    Raises:
        OSError: they could not be written; it names the file, which has no seal then.
    """
    with path.open("r+b", buffering=0) as file:
        n_bytes = file.seek(0, os.SEEK_END)
        sums = np.empty(_n_blocks(n_bytes), "<u4")
        file.seek(0)
        for k in range(sums.size):
            sums[k] = zlib.crc32(file.read(BLOCK))
        content = sums.tobytes()
        content += _FOOTER.pack(n_bytes, _own_sum(content, n_bytes), MAGIC)
        try:
            while content:
                content = content[file.write(content) :]
            os.fsync(file.fileno())
        except OSError as err:
            raise OSError(err.errno, err.strerror, str(path)) from err


def open_sealed(path: Path) -> "SealedFile | None":
    """A file to read that verifies what it gives; None for a file without a seal.

    Raises:
        RunFileError: the seal itself is damaged.
    """
    file = path.open("rb", buffering=0)
    try:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _FOOTER.size))
        footer = file.read(_FOOTER.size)
        if len(footer) < _FOOTER.size or footer[-len(MAGIC) :] != MAGIC:
            file.close()
            return None
        n_bytes, own_sum, _ = _FOOTER.unpack(footer)
        n_sums = 4 * _n_blocks(n_bytes)
        if n_bytes + n_sums + _FOOTER.size == end:
            file.seek(n_bytes)
            content = file.read(n_sums)
            if _own_sum(content, n_bytes) == own_sum:
                return SealedFile(file, n_bytes, np.frombuffer(content, "<u4"))
    except BaseException:
        file.close()
        raise
    file.close()
    msg = f"{path}: is damaged: its checksums are not those that were written"
    raise RunFileError(msg)


class SealedFile(io.RawIOBase):
    """The sealed bytes of a file; ``damaged`` lists blocks that were to be read and are not so."""

    def __init__(self, file: io.FileIO, n_bytes: int, sums: np.ndarray) -> None:
        super().__init__()
        self._file, self._n_bytes, self._sums = file, n_bytes, sums
        self._verified = np.zeros(sums.size, bool)
        self._position = 0
        self.damaged: list[int] = []

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position [bytes]."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a position [bytes]."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._n_bytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Read verified bytes.

        Raises:
            OSError: a block is not what was sealed.
        """
        n = max(0, min(len(buffer), self._n_bytes - self._position))
        if not n:
            return 0
        first, last = self._position // BLOCK, (self._position + n - 1) // BLOCK
        if not self._verified[first : last + 1].all():
            for block in range(first, last + 1):
                self.verify(block)
        if self.damaged and not self._verified[first : last + 1].all():
            msg = f"damaged at byte {self.damaged[-1] * BLOCK}"
            raise OSError(msg)
        self._file.seek(self._position)
        n = self._file.readinto(memoryview(buffer)[:n]) or 0
        self._position += n
        return n

    def verify(self, block: int) -> bool:
        """Whether a block is what was sealed."""
        if not self._verified[block]:
            self._file.seek(block * BLOCK)
            n = min(BLOCK, self._n_bytes - block * BLOCK)
            if zlib.crc32(self._file.read(n)) == self._sums[block]:
                self._verified[block] = True
            elif block not in self.damaged:
                self.damaged.append(block)
        return bool(self._verified[block])

    def verify_all(self) -> list[int]:
        """Every block that is not what was sealed."""
        return [block for block in range(self._sums.size) if not self.verify(block)]

    def place(self, block: int) -> str:
        """A block for a message."""
        return f"bytes {block * BLOCK} to {min((block + 1) * BLOCK, self._n_bytes) - 1}"

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(AttributeError):
            self._file.close()
        super().close()


def _n_blocks(n_bytes: int) -> int:
    return -(-n_bytes // BLOCK)


def _own_sum(content: bytes, n_bytes: int) -> int:
    return zlib.crc32(n_bytes.to_bytes(8, "little"), zlib.crc32(content))
