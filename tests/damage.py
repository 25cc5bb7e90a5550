"""Files as a broken disk, a bad cable or an attacker would leave them."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """A file's content with some bytes changed, put in, taken out or doubled, and perhaps its end cut off."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(damaged)))
        length = draw(st.sampled_from([1, 1, 1, 2, 4, 64]))
        piece = draw(st.binary(min_size=length, max_size=length))
        kind = draw(st.sampled_from(["change", "insert", "remove", "double"]))
        if kind == "change":
            damaged[start : start + length] = piece
        elif kind == "insert":
            damaged[start:start] = piece
        elif kind == "remove":
            del damaged[start : start + length]
        else:
            damaged[start:start] = damaged[start : start + 64]
    if draw(st.booleans()):
        del damaged[draw(st.integers(0, len(damaged))) :]
    return bytes(damaged)
