"""The cards inside a PNG picture: its text chunks `ccv3` (version 3) and `chara` (older ones), in base64.

Pixels are never decoded and nothing is decompressed.
"""

import base64
import binascii
import zlib
from collections.abc import Iterator

from npc_lab.errors import CardError

PNG = b"\x89PNG\r\n\x1a\n"
_KEYWORDS = (b"ccv3", b"chara")  # a picture that has both holds the newer version under the first
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_MOST = 8  # cards of one keyword; some programs leave an older one behind
_DAMAGED = "This picture is cut off or damaged. Download or copy it again."


def cards_in(content: bytes) -> list[bytes]:
    """Return the cards in the picture, still in base64, the newer version first. There is at least one."""
    found: dict[bytes, list[bytes]] = {keyword: [] for keyword in _KEYWORDS}
    is_packed = is_damaged = False
    for kind, chunk, is_whole in _chunks(content):
        keyword, _, value = bytes(chunk if kind in _TEXTS else b"").partition(b"\0")
        if not is_whole:
            is_damaged = True
        elif keyword.lower() in found:
            is_packed = is_packed or kind != b"tEXt"
            if kind == b"tEXt":
                found[keyword.lower()].append(value)
    cards = [card for keyword in _KEYWORDS for card in found[keyword][:_MOST]]
    if cards:
        return cards
    if is_damaged:
        raise CardError(_DAMAGED)
    if is_packed:
        raise CardError(
            "The card in this picture is packed in a way that is not read (zTXt or iTXt). Save it as JSON."
        )
    raise CardError(
        "This picture holds no character card. Programs that send or convert pictures often drop it: "
        "take the file from where it was first published, or the card as JSON."
    )


def from_base64(value: bytes) -> bytes:
    """Return the card's JSON. Raise `CardError` if it is not base64."""
    try:
        return base64.b64decode(value.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error as error:
        raise CardError(
            "The card in this picture is damaged: it is not base64. Download it again, or take it as JSON."
        ) from error


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview, bool]]:
    """Yield type and data of each chunk of a PNG, and whether it is whole.

    A chunk is: length, type, data, checksum. Only a text may be damaged, for there may be another one.
    """
    view = memoryview(content)
    start = len(PNG)
    kind = b""
    while kind != b"IEND":
        length = int.from_bytes(view[start : start + 4])
        kind = bytes(view[start + 4 : start + 8])
        end = start + 8 + length
        if end + 4 > len(content):
            raise CardError(_DAMAGED)
        is_whole = zlib.crc32(view[start + 4 : end]) == int.from_bytes(view[end : end + 4])
        if not is_whole and kind not in _TEXTS:
            raise CardError(_DAMAGED)
        yield kind, view[start + 8 : end], is_whole
        start = end + 4
