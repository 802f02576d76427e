"""Write the container of Outlook and old Office, as [MS-CFB] has it."""

import struct
from itertools import pairwise
from typing import Union

Tree = dict[str, Union[bytes, "Tree"]]
"""Streams and folders by their names."""

_SECTOR, _SMALL, _CUTOFF = 512, 64, 4096
_END, _FREE, _FAT, _NONE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF


def ole(tree: Tree) -> bytes:
    sectors: list[bytes] = []
    chain: list[int] = []
    small = bytearray()
    small_chain: list[int] = []
    right: dict[int, int] = {}
    rows: list[list[object]] = [["Root Entry", 5, _NONE, _END, 0]]

    def store(data: bytes) -> int:
        start = len(chain)
        count = max(1, -(-len(data) // _SECTOR))
        chain.extend([*range(start + 1, start + count), _END])
        sectors.extend(
            data[at : at + _SECTOR].ljust(_SECTOR, b"\0") for at in range(0, count * _SECTOR, _SECTOR)
        )
        return start

    def store_small(data: bytes) -> int:
        start = len(small_chain)
        count = -(-len(data) // _SMALL)
        small_chain.extend([*range(start + 1, start + count), _END] if count else [])
        small.extend(data.ljust(count * _SMALL, b"\0"))
        return start if count else _END

    def add(folder: Tree) -> int:
        """The number of its first row; each points to the next as its right sibling."""
        numbers = []
        for name, content in folder.items():
            numbers.append(len(rows))
            if isinstance(content, bytes):
                place = store(content) if len(content) >= _CUTOFF else store_small(content)
                rows.append([name, 2, _NONE, place, len(content)])
            else:
                row: list[object] = [name, 1, _NONE, 0, 0]
                rows.append(row)
                row[2] = add(content)
        right.update(pairwise(numbers))
        return numbers[0] if numbers else _NONE

    rows[0][2] = add(tree)

    if small:
        rows[0][3], rows[0][4] = store(bytes(small)), len(small)
    small_fat = store(struct.pack(f"<{len(small_chain)}I", *small_chain).ljust(_SECTOR, b"\xff"))
    small_count = max(1, -(-len(small_chain) * 4 // _SECTOR))
    directory = b"".join(_row(row, right.get(number, _NONE)) for number, row in enumerate(rows))
    first_row = store(directory)
    fat_count = 1
    while fat_count * _SECTOR // 4 < len(chain) + fat_count:
        fat_count += 1
    fat_start = len(chain)
    chain.extend([_FAT] * fat_count)
    fat = struct.pack(f"<{len(chain)}I", *chain).ljust(fat_count * _SECTOR, b"\xff")
    places = [*range(fat_start, fat_start + fat_count)]
    head = struct.pack(
        "<8s16x5H6x9I", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6,
        0, fat_count, first_row, 0, _CUTOFF, small_fat, small_count, _END, 0,
    )  # fmt: skip
    head += struct.pack(f"<{fat_count}I", *places).ljust(436, b"\xff")
    return head + b"".join(sectors) + fat


def _row(row: list[object], right: int) -> bytes:
    name, kind, child, start, size = row
    coded = (str(name) + "\0").encode("utf-16-le")
    return struct.pack("<64sHBBIII16xI16xIQ", coded, len(coded), kind, 1, _NONE, right, child, 0, start, size)
