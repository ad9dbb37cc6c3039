"""Compressed files and archives that other tools write: lzma, lz4, lzip, compress, 7z, cab."""

import lzma
import os
import struct
import tempfile
import zlib

from recipes.cabinet import Lzx, block, cabinet, extracted, translated
from recipes.pair import A, B, C, ENCRYPTED, MALFORMED, UNSUPPORTED, member, run, sample, streams, trouble, words

AFTER = trouble(MALFORMED, None, "data after the end")


def folder_of(entries):
    """A temporary folder with these files, all of one time."""
    folder = tempfile.TemporaryDirectory()
    for name, content in entries:
        path = os.path.join(folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
        os.utime(path, (1704164646, 1704164646))
    return folder


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


def alone(content, **options):
    filters = [{"id": lzma.FILTER_LZMA1, **options}]
    return lzma.compress(content, format=lzma.FORMAT_ALONE, filters=filters)


def lzmas():
    one = [member("(lzma)", B)]
    plain = alone(B)
    sample("lzma/plain", plain, *one)
    sample("lzma/xz-tool", run("xz", "-c", "--format=lzma", "-9", stdin=B), *one)
    # The size is known: the marker at the end goes, as it does in what 7-Zip and old tools write.
    with folder_of([("b", B)]) as folder:
        run("7z", "a", "-m0=LZMA:d=1m", "-mhc=off", "b.7z", "b", cwd=folder)
        archive = read(folder, "b.7z")
        properties = archive[archive.index(b"\x03\x01\x01\x05") + 4 :][:5]
        packed = archive[32 : 32 + struct.unpack("<Q", archive[12:20])[0]]
    known = properties + struct.pack("<Q", len(B)) + packed
    assert lzma.decompress(known, format=lzma.FORMAT_ALONE) == B
    sample("lzma/size-known", known, *one)
    sample("lzma/small-dictionary", alone(B, dict_size=4096), *one)
    huge = bytearray(plain)
    huge[1:5] = b"\xff\xff\xff\xff"
    assert lzma.decompress(bytes(huge), format=lzma.FORMAT_ALONE) == B
    sample("lzma/huge-dictionary", bytes(huge), *one)
    # No tool writes this, and most read it.
    tiny = bytearray(alone(A, dict_size=4096))
    tiny[1:5] = struct.pack("<I", 700)
    assert lzma.decompress(bytes(tiny), format=lzma.FORMAT_ALONE) == A
    sample("lzma/tiny-dictionary", bytes(tiny), member("(lzma)", A))
    sample("lzma/other-properties", alone(B, lc=1, lp=2, pb=0), *one)
    sample("lzma/empty", alone(b""), member("(lzma)", b""))
    sample("lzma/followed", plain + C, *one, member("(after end)", C), AFTER)


def lz4s():
    def packed(content, *options):
        return run("lz4", "-c", *options, stdin=content)

    long = words(9, 150_000)
    one = [member("(lz4)", B)]
    sample("lz4/plain", packed(B), *one)
    sample("lz4/best", packed(B, "-12"), *one)
    sample("lz4/no-checksum", packed(B, "--no-frame-crc"), *one)
    sample("lz4/block-checksums", packed(B, "-BX"), *one)
    repeated = (B + A) * 60
    sample("lz4/linked", packed(repeated, "-B4", "-BD"), member("(lz4)", repeated))
    sample("lz4/independent", packed(repeated, "-B4", "-BI"), member("(lz4)", repeated))
    with folder_of([("b", B), ("dict", A + B[:200])]) as folder:
        run("lz4", "--content-size", "b", "b.lz4", cwd=folder)
        sample("lz4/content-size", read(folder, "b.lz4"), *one)
        run("lz4", "-D", "dict", "b", "d.lz4", cwd=folder)
        data = bytearray(read(folder, "d.lz4"))
    noise = bytes((n * n * 31 + n * 7 >> 3) & 255 for n in range(300))
    sample("lz4/stored", packed(noise), member("(lz4)", noise))
    zeros = bytes(100_000)
    sample("lz4/zeros", packed(zeros), member("(lz4)", zeros))
    sample("lz4/empty", packed(b""), member("(lz4)", b""))
    two = packed(A) + packed(B)
    sample("lz4/multi", two, member("(lz4)", A + B), *streams(A, B), "stops-at %d" % len(A))
    skipped = struct.pack("<II", 0x184D2A57, len(C)) + C
    sample("lz4/skippable", skipped + packed(A), member("(lz4)", A), "stops-at 0")
    legacy = packed(B, "-l")
    sample("lz4/legacy", legacy, *one, "stops-at 0")
    both = packed(A, "-l") + packed(B)
    sample("lz4/legacy-then-new", both, member("(lz4)", A + B), *streams(A, B), "stops-at 0", "stops-at %d" % len(A))
    wrong = bytearray(packed(B))
    wrong[-1] ^= 1
    text = "checksum does not match"
    sample("lz4/wrong-checksum", bytes(wrong), *one, trouble(MALFORMED, None, text))
    sample("lz4/followed", packed(B) + C, *one, member("(after end)", C), AFTER)
    del long, data


def lzips():
    packed = run("lzip", "-c", stdin=B)
    sample("lzip/one", packed, member("(lzip)", B))
    sample("lzip/empty", run("lzip", "-c", stdin=b""), member("(lzip)", b""))
    two = run("lzip", "-c", stdin=A) + packed
    sample("lzip/multi", two, member("(lzip)", A + B), *streams(A, B), "stops-at %d" % len(A))
    wrong = bytearray(packed)
    wrong[-20] ^= 1
    text = "checksum or size does not match"
    sample("lzip/wrong-checksum", bytes(wrong), member("(lzip)", B), trouble(MALFORMED, None, text))
    sample("lzip/followed", packed + C, member("(lzip)", B), member("(after end)", C), AFTER)


def compresses():
    long = words(5, 12_000)
    sample("compress/plain", run("compress", "-c", stdin=B), member("(compress)", B), "stops-at *")
    sample("compress/long", run("compress", "-c", stdin=long), member("(compress)", long), "stops-at *")
    ten = run("compress", "-c", "-b", "10", stdin=long)
    sample("compress/ten-bits", ten, member("(compress)", long), "stops-at *")
    zeros = bytes(30_000)
    sample("compress/zeros", run("compress", "-c", stdin=zeros), member("(compress)", zeros), "stops-at *")


def zips_of_lzma():
    with folder_of([("a.txt", A), ("b.txt", B)]) as folder:
        pair = [member("a.txt", A), member("b.txt", B)]
        run("7z", "a", "-mm=LZMA", "sized.zip", "a.txt", "b.txt", cwd=folder)
        sample("zip/lzma-sized", read(folder, "sized.zip"), *pair)
        for bits in ("128", "192", "256"):
            name = "aes-%s.zip" % bits
            run("7z", "a", "-tzip", "-psecret", "-mem=AES" + bits, name, "a.txt", cwd=folder)
            sample("zip/aes-" + bits, read(folder, name), trouble(ENCRYPTED, "a.txt", "member is encrypted"))
        # From a pipe to a pipe: the time checks the password, and the sizes follow the data.
        piped = run("zip", "-X", "-q", "-P", "secret", "-", "-", stdin=A, cwd=folder)
        sample("zip/encrypted-streamed", piped, trouble(ENCRYPTED, "-", "member is encrypted"))
        run("7z", "a", "-mm=PPMd", "ppmd.zip", "a.txt", "b.txt", cwd=folder)
        sample("zip/ppmd", read(folder, "ppmd.zip"), *pair)


# Code with many calls and jumps, for the filters of programs.
CODE = b"".join(
    b"\xe8" + struct.pack("<i", n * 7) + b"\x90\x0f\x84" + struct.pack("<i", n * 3) + b"\xe9" + struct.pack("<i", -n)
    for n in range(150)
)


def seven_zips():
    entries = [("a.txt", A), ("b/ü.txt", B), ("empty", b""), ("code.exe", CODE)]
    names = [name for name, _ in entries]
    # 7z puts files without content last, and sorts the others by extension.
    with folder_of(entries) as folder:

        def packed(*options, of=("a.txt", "b/ü.txt")):
            if os.path.exists(os.path.join(folder, "x.7z")):
                os.remove(os.path.join(folder, "x.7z"))
            run("7z", "a", "-mtm=off", "-mtc=off", "-mmt=off", *options, "x.7z", *of, cwd=folder)
            listed = run("7z", "l", "-slt", "-ba", "-p", "-sccUTF-8", "x.7z", cwd=folder) if "-mhe" not in options else b""
            order = [line[7:].decode() for line in listed.split(b"\n") if line.startswith(b"Path = ")]
            contents = dict(entries)
            return read(folder, "x.7z"), [member(name, contents[name]) for name in order if name in contents]

        everything = [*names, "b"]
        methods = {
            "copy": ["-m0=Copy"],
            "lzma": ["-m0=LZMA"],
            "lzma2": ["-m0=LZMA2"],
            "deflate": ["-m0=Deflate"],
            "deflate64": ["-m0=Deflate64"],
            "bzip2": ["-m0=BZip2"],
            "ppmd": ["-m0=PPMd:mem=20:o=6"],
            "delta": ["-m0=Delta:4", "-m1=LZMA"],
        }
        for name, options in methods.items():
            data, lines = packed(*options)
            assert len(lines) == 2, lines
            sample("7z/" + name, data, *lines)
        for name, options in {
            "bcj": ["-m0=BCJ", "-m1=LZMA2"],
            "bcj2": ["-m0=BCJ2", "-m1=LZMA", "-m2=LZMA", "-m3=LZMA", "-mb0:1", "-mb0s1:2", "-mb0s2:3"],
            "arm64": ["-m0=ARM64", "-m1=LZMA"],
            "arm": ["-m0=ARM", "-m1=LZMA2"],
            "sparc": ["-m0=SPARC", "-m1=LZMA2"],
            "bcj-alone": ["-m0=BCJ"],
            "two-deep": ["-m0=LZMA", "-m1=Deflate"],
        }.items():
            sample("7z/" + name, *flat(packed(*options, of=("code.exe",))))
        for name, options in {
            "whole": [],
            "one-folder-each": ["-ms=off"],
            "plain-header": ["-mhc=off"],
            "plain-header-each": ["-mhc=off", "-ms=off", "-m0=LZMA"],
        }.items():
            sample("7z/" + name, *flat(packed(*options, of=everything)))
        sample("7z/only-empty", *flat(packed(of=("empty",))))
        text = trouble(ENCRYPTED, "a.txt", "members are encrypted")
        data, lines = packed("-psecret", "-m0=LZMA", of=("a.txt",))
        sample("7z/encrypted", data, text)
        data, lines = packed("-psecret", "-mhe", of=("a.txt",))
        sample("7z/encrypted-header", data, trouble(ENCRYPTED, None, "list of members is encrypted"))
        data, lines = packed("-mhc=off", "-m0=Copy")
        wrong = bytearray(data)
        wrong[32 + 5] ^= 1
        bad = {"a.txt": A, "b/ü.txt": B}
        order = [line.split()[1] for line in lines]
        first = "a.txt" if order[0] == "a.txt" else "b/ü.txt"
        content = bytearray(bad[first])
        content[5] ^= 1
        lines[0] = member(first, bytes(content))
        sample("7z/wrong-checksum", bytes(wrong), *lines, trouble(MALFORMED, first, "checksum does not match"))
        data, lines = packed("-m0=LZMA")
        sample("7z/followed", data + C, *lines, member("(after end)", C))
        start = bytearray(data)
        start[8] ^= 1
        text = "checksum of the 7z start header does not match"
        sample("7z/wrong-start-checksum", bytes(start), *lines, trouble(MALFORMED, None, text))
        hidden = gapped(data, C)
        sample("7z/gap", hidden, *lines, member("(gap)", C))
        sample("7z/unknown-method", *unknown_method(packed("-mhc=off", "-m0=LZMA", of=("a.txt",))[0]))


def flat(pair):
    return [pair[0], *pair[1]]


def gapped(data, hidden):
    """The same archive with something between the packed streams and the header."""
    offset, size, crc = struct.unpack("<QQI", data[12:32])
    fields = struct.pack("<QQI", offset + len(hidden), size, crc)
    start = data[:8] + struct.pack("<I", zlib.crc32(fields)) + fields
    return start + data[32 : 32 + offset] + hidden + data[32 + offset :]


def unknown_method(data):
    offset, size, _ = struct.unpack("<QQI", data[12:32])
    header = bytearray(data[32 + offset :])
    at = header.index(b"\x03\x01\x01")
    header[at : at + 3] = b"\x03\x01\x7f"
    fields = struct.pack("<QQI", offset, size, zlib.crc32(bytes(header)))
    start = data[:8] + struct.pack("<I", zlib.crc32(fields)) + fields
    text = "7z method 03017f is not supported"
    return start + data[32 : 32 + offset] + bytes(header), trouble(UNSUPPORTED, "a.txt", text)


def cabs():
    entries = [("a.txt", A), ("b.txt", B), ("empty", b"")]
    three = [member(name, content) for name, content in entries]
    with folder_of(entries) as folder:
        for name, options in {"stored": ["-n"], "mszip": ["-z"]}.items():
            run("gcab", "-c", *options, "x.cab", "a.txt", "b.txt", "empty", cwd=folder)
            sample("cab/" + name, read(folder, "x.cab"), *three)
        mszip = read(folder, "x.cab")
    long = (A + B + CODE) * 18
    with folder_of([("long", long)]) as folder:
        run("gcab", "-c", "-z", "x.cab", "long", cwd=folder)
        sample("cab/mszip-blocks", read(folder, "x.cab"), member("long", long))
    # What no reader looks at: the words that are kept free, and the version.
    odd = bytearray(mszip)
    odd[4], odd[12], odd[20], odd[24] = 1, 2, 3, 9
    with folder_of([("odd.cab", bytes(odd))]) as folder:
        run("cabextract", "-q", "-t", "odd.cab", cwd=folder)
    sample("cab/odd-header", bytes(odd), *three)
    sample("cab/followed", mszip + C, *three, member("(after end)", C))

    def lzx(name, content, window_bits, kinds, block_bytes, translation=0):
        packer = Lzx(window_bits, translation)
        packed = translated(content, translation) if translation else content
        frames = packer.frames(packed, kinds, block_bytes)
        data = cabinet([(3 | window_bits << 8, frames)], [(b"a", 0, 0, len(content))])
        assert extracted(a=data) == {b"a": content}, name
        sample("cab/" + name, data, member("a", content))

    lzx("lzx-verbatim", B, 15, [1], 10_000)
    lzx("lzx-aligned", A + B + A, 16, [2], 1000)
    lzx("lzx-stored", A[:601] + B, 15, [3], 333)
    lzx("lzx-mixed", (A + CODE + B) * 16, 17, [1, 3, 2, 1, 2, 1, 2, 1, 1, 1], 9_001)
    lzx("lzx-large-window", (A + CODE + B) * 14, 21, [2, 1], 40_000)
    lzx("lzx-calls", (B * 3 + CODE) * 6, 18, [1, 2], 17_777, translation=50_000)

    stored = [block(A + B, len(A + B))]
    quantum = cabinet([(2 | 5 << 4 | 16 << 8, stored)], [(b"a", 0, 0, len(A))])
    text = "compression method quantum is not supported"
    sample("cab/quantum", quantum, trouble(UNSUPPORTED, "a", text))
    wrong = bytearray(cabinet([(0, stored)], [(b"a", 0, 0, len(A)), (b"b", 0, len(A), len(B))]))
    wrong[-1] ^= 1
    bad = B[:-1] + bytes([B[-1] ^ 1])
    text = trouble(MALFORMED, None, "checksum of a block does not match")
    sample("cab/wrong-checksum", bytes(wrong), member("a", A), member("b", bad), text)
    more = cabinet([(0, stored)], [(b"a", 0, 0, len(A))])
    text = trouble(MALFORMED, None, "folder holds more than its members")
    sample("cab/rest", more, member("a", A), member("(rest of a folder)", B), text)
    cab_sets()


def cab_sets():
    """One file over two cabinets: the first half of a block here, the second there."""
    files = [(b"a", 0, 0, len(A)), (b"b", 0xFFFE, len(A), len(B))]
    whole = A + B
    for name, method, packed in (("stored", 0, whole), ("mszip", 1, b"CK" + deflated(whole))):
        half = len(packed) * 2 // 3
        first = cabinet([(method, [block(packed[:half], 0)])], files, following=b"b.cab")
        second = cabinet(
            [(method, [block(packed[half:], len(whole))])],
            [(b"b", 0xFFFD, len(A), len(B))],
            previous=b"a.cab",
            index=1,
        )
        assert extracted(a=first, b=second) == {b"a": A, b"b": B}
        goes_on = trouble(UNSUPPORTED, "b", "member goes on in b.cab, which is another file")
        begins = trouble(UNSUPPORTED, "b", "member begins in a.cab, which is another file")
        if name == "stored":
            sample("cab/set-stored-1", first, member("a", A), member("b", whole[len(A) : half]), goes_on)
            sample("cab/set-stored-2", second, member("b", whole[half:]), begins)
        else:
            early = trouble(MALFORMED, "a", "member ends early")
            sample("cab/set-mszip-1", first, goes_on, early)
            sample("cab/set-mszip-2", second, begins)


def deflated(content):
    packer = zlib.compressobj(-1, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


MAKERS = (lzmas, lz4s, lzips, compresses, zips_of_lzma, seven_zips, cabs)
