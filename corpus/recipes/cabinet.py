"""Writes cabinets of the kinds that no tool here writes: LZX, and sets of several. What it writes
is unpacked with cabextract before it counts."""

import heapq
import os
import struct
import tempfile

from recipes.pair import run

FRAME = 32768


def checksum(data, seed=0):
    whole = len(data) & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        seed ^= word
    last = 0
    for byte in data[whole:]:
        last = last << 8 | byte
    return seed ^ last


def block(packed, size):
    sizes = struct.pack("<HH", len(packed), size)
    return struct.pack("<I", checksum(sizes, checksum(packed))) + sizes + packed


def cabinet(folders, files, previous=None, following=None, index=0):
    """Folders are (method, blocks), files are (name, folder, offset, size)."""
    flags = bool(previous) | bool(following) << 1
    names = b"".join(text + b"\0disk\0" for text in (previous, following) if text)
    entries = b"".join(
        struct.pack("<IIHHHH", size, offset, folder, 0x5822, 0x1883, 0x20) + name + b"\0"
        for name, folder, offset, size in files
    )
    files_offset = 36 + len(names) + 8 * len(folders)
    at = files_offset + len(entries)
    table, data = b"", b""
    for method, blocks in folders:
        table += struct.pack("<IHH", at + len(data), len(blocks), method)
        data += b"".join(blocks)
    return (
        b"MSCF"
        + struct.pack("<IIIIIBBHHHHH", 0, at + len(data), 0, files_offset, 0, 3, 1, len(folders), len(files), flags, 7, index)
        + names + table + entries + data
    )  # fmt: skip


def extracted(**cabinets):
    """What cabextract gets out of a set of cabinets, the first of which is named `a`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in cabinets.items():
            with open(os.path.join(folder, name + ".cab"), "wb") as f:
                f.write(data)
        run("cabextract", "-q", "-d", "out", "a.cab", cwd=folder)
        out = os.path.join(folder, "out")
        return {name.encode(): open(os.path.join(out, name), "rb").read() for name in os.listdir(out)}


class Bits:
    """Words of 16 bits, the most significant first."""

    def __init__(self):
        self.bytes, self.word, self.count = b"", 0, 0

    def put(self, value, width):
        for place in reversed(range(width)):
            self.word = self.word << 1 | value >> place & 1
            self.count += 1
            if self.count == 16:
                self.bytes += struct.pack("<H", self.word)
                self.word = self.count = 0

    def align(self):
        while self.count:
            self.put(0, 1)


def code_lengths(counts, size):
    """Huffman code lengths; two symbols at least."""
    counts = dict(counts)
    for spare in range(size):
        if len(counts) >= 2:
            break
        counts.setdefault(spare, 1)
    heap = [(count, symbol, (symbol,)) for symbol, count in counts.items()]
    heapq.heapify(heap)
    lengths = [0] * size
    while len(heap) > 1:
        one, other = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in one[2] + other[2]:
            lengths[symbol] += 1
        heapq.heappush(heap, (one[0] + other[0], min(one[1], other[1]), one[2] + other[2]))
    assert max(lengths) <= 16
    return lengths


def codes(lengths):
    code, out = 0, {}
    for width in range(1, 17):
        code <<= 1
        for symbol, length in enumerate(lengths):
            if length == width:
                out[symbol] = (code, width)
                code += 1
    return out


SLOTS = [(0, 0), (1, 0), (2, 0), (3, 0)]
while len(SLOTS) < 50:
    extra = min(len(SLOTS) // 2 - 1, 17)
    SLOTS.append((SLOTS[-1][0] + (1 << SLOTS[-1][1]), extra))
PRETREE = codes([4] * 12 + [5] * 8)


class Lzx:
    """Packs one folder, frame by frame."""

    def __init__(self, window_bits, translation=0):
        self.window = 1 << window_bits
        self.elements = 256 + 8 * {20: 42, 21: 50}.get(window_bits, window_bits * 2)
        self.translation = translation
        self.repeated = [1, 1, 1]
        self.main, self.length = [0] * self.elements, [0] * 249

    def frames(self, data, kinds, block_bytes):
        """Blocks of each kind in turn; data blocks for a cabinet."""
        out, bits, at, turn = [], Bits(), 0, 0
        bits.put(1 if self.translation else 0, 1)
        if self.translation:
            bits.put(self.translation >> 16, 16)
            bits.put(self.translation & 0xFFFF, 16)
        left = 0
        while at < len(data):
            frame_end = min(at // FRAME * FRAME + FRAME, len(data))
            if left == 0:
                kind, left = kinds[turn % len(kinds)], min(block_bytes, len(data) - at)
                turn += 1
                # One block's codes serve all of it, over the borders of frames.
                tokens = self.tokens(data, at, at + left) if kind != 3 else None
                self.header(bits, kind, left, tokens)
                odd = kind == 3 and left % 2
            run_bytes = min(left, frame_end - at)
            if kind == 3:
                bits.bytes += data[at : at + run_bytes]
                if run_bytes == left and odd:
                    bits.bytes += b"\0"
            else:
                done = 0
                while done < run_bytes:
                    done += self.token(bits, kind, tokens.pop(0))
                assert done == run_bytes
            at, left = at + run_bytes, left - run_bytes
            if at == frame_end:
                bits.align()
                out.append(block(bits.bytes, at - (at - 1) // FRAME * FRAME))
                bits = Bits()
        return out

    def tokens(self, data, begin, end):
        """Literals and (distance, length), none over the border of two frames."""
        out, at, repeated = [], begin, list(self.repeated)
        while at < end:
            most = min(257, end - at, FRAME - at % FRAME)
            best = (0, 0)
            for distance in {*repeated, *self.near(data, at)}:
                if 0 < distance <= min(at, self.window - 3):
                    length = 0
                    while length < most and data[at + length - distance] == data[at + length]:
                        length += 1
                    best = max(best, (length, distance))
            if best[0] < 3:
                out.append(("literal", data[at]))
                at += 1
                continue
            length, distance = best
            if distance in repeated:
                slot, extra, low = repeated.index(distance), 0, 0
                repeated[0], repeated[slot] = repeated[slot], repeated[0]
            else:
                slot = max(n for n in range(3, 50) if SLOTS[n][0] - 2 <= distance)
                extra, low = SLOTS[slot][1], distance + 2 - SLOTS[slot][0]
                repeated = [distance, repeated[0], repeated[1]]
            out.append(("match", slot, extra, low, length))
            at += length
        self.repeated = repeated
        return out

    @staticmethod
    def near(data, at):
        found, end = [], at + 2
        while len(found) < 20 and (place := data.rfind(data[at : at + 3], 0, end)) >= 0:
            found.append(at - place)
            end = place + 2
        return found

    def header(self, bits, kind, size, tokens):
        bits.put(kind, 3)
        bits.put(size >> 8, 16)
        bits.put(size & 255, 8)
        if kind == 3:
            # At least one bit of padding.
            bits.put(0, 16 - bits.count)
            bits.bytes += struct.pack("<III", *self.repeated)
            return
        mains, lengths, aligned = {}, {}, {}
        for token in tokens:
            symbol = self.symbol(token)
            mains[symbol] = mains.get(symbol, 0) + 1
            if token[0] == "match" and token[4] >= 9:
                lengths[token[4] - 9] = lengths.get(token[4] - 9, 0) + 1
            if token[0] == "match" and token[2] >= 3:
                aligned[token[3] & 7] = aligned.get(token[3] & 7, 0) + 1
        if kind == 2:
            aligned_lengths = code_lengths(aligned, 8)
            if max(aligned_lengths) > 7:
                aligned_lengths = [3] * 8
            for length in aligned_lengths:
                bits.put(length, 3)
            self.aligned_codes = codes(aligned_lengths)
        main = code_lengths(mains, self.elements)
        length = code_lengths(lengths, 249) if lengths else [0] * 249
        self.path(bits, self.main[:256], main[:256])
        self.path(bits, self.main[256:], main[256:])
        self.path(bits, self.length, length)
        self.main, self.length = main, length
        self.main_codes, self.length_codes = codes(main), codes(length)

    @staticmethod
    def path(bits, before, after):
        for width in [4] * 12 + [5] * 8:
            bits.put(width, 4)
        at = 0
        while at < len(after):
            same = 1
            while at + same < len(after) and after[at + same] == after[at]:
                same += 1
            delta = (before[at] - after[at]) % 17
            if after[at] == 0 and same >= 20:
                same = min(same, 51)
                bits.put(*PRETREE[18])
                bits.put(same - 20, 5)
            elif after[at] == 0 and same >= 4:
                same = min(same, 19)
                bits.put(*PRETREE[17])
                bits.put(same - 4, 4)
            elif same >= 4:
                same = min(same, 5)
                bits.put(*PRETREE[19])
                bits.put(same - 4, 1)
                bits.put(*PRETREE[delta])
            else:
                same = 1
                bits.put(*PRETREE[delta])
            at += same

    @staticmethod
    def symbol(token):
        if token[0] == "literal":
            return token[1]
        return 256 + token[1] * 8 + min(token[4] - 2, 7)

    def token(self, bits, kind, token):
        bits.put(*self.main_codes[self.symbol(token)])
        if token[0] == "literal":
            return 1
        _, _, extra, low, length = token
        if length >= 9:
            bits.put(*self.length_codes[length - 9])
        if kind == 2 and extra >= 3:
            bits.put(low >> 3, extra - 3)
            bits.put(*self.aligned_codes[low & 7])
        else:
            bits.put(low, extra)
        return length


def translated(data, size):
    """What LZX makes of the calls of a program before it packs them."""
    data = bytearray(data)
    for begin in range(0, len(data), FRAME):
        end = min(begin + FRAME, len(data))
        at = begin
        while at < end - 10:
            if data[at] != 0xE8:
                at += 1
                continue
            (relative,) = struct.unpack_from("<i", data, at + 1)
            if -at <= relative < size - at:
                absolute = relative + at
            elif size - at <= relative < size:
                absolute = relative - size
            else:
                at += 5
                continue
            struct.pack_into("<i", data, at + 1, absolute)
            at += 5
    return bytes(data)
