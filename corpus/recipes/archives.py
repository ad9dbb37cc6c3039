"""Compressed files and archives."""

import bz2
import gzip
import io
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib

from recipes.pair import A, B, C, ENCRYPTED, MALFORMED, UNSUPPORTED, WHEN, member, run, sample, streams, trouble, words


def zipped(entries, method=zipfile.ZIP_DEFLATED, out=None, **options):
    out = out or io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name, WHEN)
            info.compress_type = method
            with archive.open(info, "w", **options) as f:
                f.write(content)
    return out.getvalue()


class Pipe(io.RawIOBase):
    """Can't seek, so that sizes go after the data."""

    def __init__(self):
        self.parts = []

    def writable(self):
        return True

    def write(self, part):
        self.parts.append(bytes(part))
        return len(part)

    def getvalue(self):
        return b"".join(self.parts)


def zips():
    ab = [("a.txt", A), ("b/ü.txt", B)]
    both = [member("a.txt", A), member("b/ü.txt", B)]
    sample("zip/deflate", zipped(ab), *both)
    sample("zip/stored", zipped(ab, zipfile.ZIP_STORED), *both)
    sample("zip/directory", zipped([("d/", b""), ("d/a", A)], zipfile.ZIP_STORED), member("d/a", A))
    sample("zip/streamed", zipped(ab, out=Pipe()), *both)
    sample("zip/streamed-stored", zipped(ab, zipfile.ZIP_STORED, out=Pipe()), *both)
    sample("zip/zip64", zipped(ab, force_zip64=True), *both)
    sample("zip/zip64-streamed", zipped(ab, out=Pipe(), force_zip64=True), *both)
    sample("zip/bzip2", zipped(ab, zipfile.ZIP_BZIP2), *both)
    sample("zip/lzma", zipped([("a.txt", A)], zipfile.ZIP_LZMA), member("a.txt", A))
    sample("zip/empty", zipped([]))
    plain = zipped(ab)
    sample("zip/prefixed", C + plain, *both, member("(before start)", C))
    sample("zip/followed", plain + C, *both, member("(after end)", C))
    alone = zipped([("hidden.txt", C)])
    local = alone[: alone.index(b"PK\x01\x02")]
    sample("zip/hidden-before", local + plain, member("a.txt", A), member("b/ü.txt", B), member("hidden.txt", C))
    alone = zipped([("hidden.txt", C)], out=Pipe())
    local = alone[: alone.index(b"PK\x01\x02")]
    sample("zip/hidden-streamed", local + plain, member("a.txt", A), member("b/ü.txt", B), member("hidden.txt", C))
    directory = plain.index(b"PK\x01\x02")
    no_directory = trouble(MALFORMED, None, "central directory is missing")
    sample("zip/no-directory", plain[:directory], *both, no_directory)
    streamed = zipped(ab, out=Pipe())
    sample("zip/no-directory-streamed", streamed[: streamed.index(b"PK\x01\x02")], *both, no_directory)
    streamed = zipped(ab, zipfile.ZIP_STORED, out=Pipe())
    sample("zip/no-directory-streamed-stored", streamed[: streamed.index(b"PK\x01\x02")], *both, no_directory)
    broken = bytearray(plain)
    for header in (b"PK\x03\x04", b"PK\x01\x02"):
        at = plain.index(header) + (14 if header[2] == 3 else 16)
        broken[at] ^= 1
    text = "checksum does not match"
    sample("zip/wrong-checksum", bytes(broken), *both, trouble(MALFORMED, "a.txt", text))
    lying = bytearray(plain)
    at = plain.index(b"PK\x03\x04") + 8
    lying[at : at + 2] = b"\0\0"
    packed = plain[plain.index(b"a.txt") + 5 :][: zlib_size(A)]
    text = "local header and central directory disagree"
    sample(
        "zip/two-faced",
        bytes(lying),
        member("a.txt", A),
        member("a.txt", (packed + plain[plain.index(b"a.txt") + 5 + len(packed) :])[: len(A)]),
        member("b/ü.txt", B),
        trouble(MALFORMED, "a.txt", text),
        trouble(MALFORMED, "a.txt", "size does not match"),
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("a.txt", A), ("b.txt", B)):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(content)
            os.utime(os.path.join(folder, name), (1704164646, 1704164646))
        run("7z", "a", "-mm=Deflate64", "d64.zip", "a.txt", "b.txt", cwd=folder)
        run("zip", "-X", "-q", "-P", "secret", "e.zip", "a.txt", cwd=folder)
        run("zip", "-X", "-q", "e.zip", "b.txt", cwd=folder)
        pair = [member("a.txt", A), member("b.txt", B)]
        sample("zip/deflate64", open(os.path.join(folder, "d64.zip"), "rb").read(), *pair)
        sample(
            "zip/encrypted",
            open(os.path.join(folder, "e.zip"), "rb").read(),
            pair[1],
            trouble(ENCRYPTED, "a.txt", "member is encrypted"),
        )


def zlib_size(content):
    packer = zlib.compressobj(-1, zlib.DEFLATED, -15)
    return len(packer.compress(content) + packer.flush())


def gzipped(content, name=""):
    out = io.BytesIO()
    with gzip.GzipFile(filename=name, mode="wb", fileobj=out, mtime=0) as f:
        f.write(content)
    return out.getvalue()


def gzips():
    sample("gzip/named", gzipped(A, "a.txt"), member("a.txt", A))
    sample("gzip/unnamed", gzipped(B), member("(gzip)", B))
    two = gzipped(A, "a.txt") + gzipped(B)
    sample("gzip/multi", two, member("a.txt", A + B), *streams(A, B), "stops-at %d" % len(A))
    sample("gzip/padded", gzipped(A) + bytes(700), member("(gzip)", A))
    after = trouble(MALFORMED, None, "data after the end")
    sample("gzip/followed", gzipped(A) + C, member("(gzip)", A), member("(after end)", C), after)
    raw = gzipped(A)
    body = raw[10:]
    fancy = raw[:3] + bytes([4 | 8 | 16 | 2]) + raw[4:10] + b"\3\0xyz" + b"n\0" + b"comment\0" + b"\1\2"
    sample("gzip/all-fields", fancy + body, member("n", A))
    wrong = raw[:-8] + b"\0\0\0\0" + raw[-4:]
    text = trouble(MALFORMED, None, "checksum does not match")
    sample("gzip/multi-wrong-checksum", wrong + gzipped(B), member("(gzip)", A + B), *streams(A, B), text)


def bzip2s():
    sample("bzip2/one", bz2.compress(B), member("(bzip2)", B))
    sample("bzip2/empty", bz2.compress(b""), member("(bzip2)", b""))
    runs = b"a" * 3 + b"b" * 4 + b"c" * 5 + b"d" * 259 + b"e" * 260 + b"f" * 1000
    sample("bzip2/runs", bz2.compress(runs, 1), member("(bzip2)", runs))
    two = bz2.compress(A) + bz2.compress(B)
    sample("bzip2/multi", two, member("(bzip2)", A + B), *streams(A, B), "stops-at %d" % len(A))
    every = bytes(range(256)) * 3
    sample("bzip2/every-byte", bz2.compress(every), member("(bzip2)", every))


def xzs():
    for check in ("none", "crc32", "crc64", "sha256"):
        packed = run("xz", "-c", "--check=" + check, stdin=B)
        sample("xz/check-" + check, packed, member("(xz)", B))
    two = run("xz", "-c", stdin=A) + bytes(8) + run("xz", "-c", stdin=B)
    sample("xz/multi", two, member("(xz)", A + B), *streams(A, B), "stops-at %d" % len(A))
    blocks = run("xz", "-c", "-T1", "--block-size=500", stdin=B)
    sample("xz/blocks", blocks, member("(xz)", B))
    code = b"".join(b"\xe8" + struct.pack("<i", n * 7) + b"\x90\x90" for n in range(200))
    sample("xz/x86", run("xz", "-c", "--x86", "--lzma2", stdin=code), member("(xz)", code))
    chain = run("xz", "-c", "--delta=dist=4", "--x86", "--lzma2", stdin=code)
    sample("xz/chain", chain, member("(xz)", code))
    arm = run("xz", "-c", "--arm", "--lzma2", stdin=code)
    sample("xz/arm", arm, member("(xz)", code))
    sample("xz/empty", run("xz", "-c", stdin=b""), member("(xz)", b""))


def zstds():
    sample("zstd/plain", run("zstd", "-c", "--no-check", stdin=B), member("(zstd)", B))
    sample("zstd/checked", run("zstd", "-c", "-19", "--check", stdin=B), member("(zstd)", B))
    long = run("zstd", "-c", "--ultra", "-22", "--long=24", stdin=B)
    sample("zstd/long", long, member("(zstd)", B))
    two = run("zstd", "-c", stdin=A) + run("zstd", "-c", stdin=B)
    sample("zstd/multi", two, member("(zstd)", A + B), *streams(A, B), "stops-at %d" % len(A))
    skipped = struct.pack("<II", 0x184D2A53, len(C)) + C
    sample("zstd/skippable", skipped + run("zstd", "-c", stdin=A), member("(zstd)", A), "stops-at 0")
    with tempfile.TemporaryDirectory() as folder:
        for n in range(40):
            with open(os.path.join(folder, "f%d" % n), "wb") as f:
                f.write(words(n, 900))
        names = ["f%d" % n for n in range(40)]
        run("zstd", "--train", *names, "--maxdict=2048", "-o", "dict", cwd=folder)
        packed = run("zstd", "-c", "-D", "dict", "f3", cwd=folder)
        text = "zstd frame needs a dictionary"
        sample("zstd/dictionary", packed, trouble(UNSUPPORTED, None, text))


def tarred(entries, form, **fields):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1704164646
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def shorter(archive):
    """Without most of the padding to a record."""
    return archive.rstrip(b"\0") + bytes(-len(archive.rstrip(b"\0")) % 512 + 1024)


def checksummed(block):
    block = bytearray(block)
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def tars():
    ab = [("a.txt", A), ("d/b.txt", B), ("empty", b"")]
    three = [member(name, content) for name, content in ab]
    ustar = shorter(tarred(ab, tarfile.USTAR_FORMAT))
    sample("tar/ustar", ustar, *three)
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "d"))
        for name, content in ab:
            with open(os.path.join(folder, name), "wb") as f:
                f.write(content)
        names = [name for name, _ in ab]
        v7 = run("tar", "-c", "-f", "-", "--format=v7", "--mtime=@0", "--owner=0", "--group=0", *names, cwd=folder)
        sample("tar/v7", shorter(v7), *three)
        with open(os.path.join(folder, "s"), "wb") as f:
            f.write(A)
            f.seek(200_000)
            f.write(B)
            f.truncate(300_000)
        content = open(os.path.join(folder, "s"), "rb").read()
        forms = {
            "gnu": ["--format=gnu"],
            "pax-0.0": ["--format=pax", "--sparse-version=0.0"],
            "pax-0.1": ["--format=pax", "--sparse-version=0.1"],
            "pax-1.0": ["--format=pax", "--sparse-version=1.0"],
        }
        for form, options in forms.items():
            fixed = ["--mtime=@0", "--owner=0", "--group=0", "--pax-option=delete=atime,delete=ctime"]
            if form == "gnu":
                fixed.pop()
            packed = run("tar", "-c", "-f", "-", "--sparse", *options, *fixed, "s", cwd=folder)
            assert len(packed) < 50_000, form
            sample("tar/sparse-" + form, packed, member("s", content))
        with open(os.path.join(folder, "many"), "wb") as f:
            for place in range(8):
                f.seek(place * 4096 * (1 + place % 3))
                f.write(b"segment %d" % place)
        content = open(os.path.join(folder, "many"), "rb").read()
        packed = run("tar", "-c", "-f", "-", "--sparse", "--format=gnu", "--mtime=@0", "many", cwd=folder)
        assert len(packed) < 400_000
        sample("tar/sparse-gnu-extended", packed, member("many", content))
    long = "long/" * 30 + "ü.txt"
    for label, form in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        packed = shorter(tarred([(long, A), ("b", B)], form))
        sample("tar/%s-long-name" % label, packed, member(long, A), member("b", B))
    prefix = "p" * 90 + "/" + "n" * 60
    packed = shorter(tarred([(prefix, A)], tarfile.USTAR_FORMAT))
    sample("tar/ustar-prefix", packed, member(prefix, A))
    wide = bytearray(ustar)
    wide[124:136] = b"\x80" + struct.pack(">Q", len(A)).rjust(11, b"\0")
    sample("tar/base-256", checksummed(wide[:512]) + bytes(wide[512:]), *three)
    signed = bytearray(tarred([("\xfc.txt", A)], tarfile.USTAR_FORMAT, uname="\xfc")[: 512 + 1024])
    signed[148:156] = b"        "
    total = sum(b - 256 if b > 127 else b for b in signed[:512])
    signed[148:156] = b"%06o\0 " % total
    sample("tar/signed-checksum", bytes(signed) + bytes(1024), member("\xfc.txt", A))
    sample("tar/followed", ustar + C, *three, member("(after end)", C))
    glued = tarred([("a", A)], tarfile.USTAR_FORMAT)[:1536] + bytes(512) + tarred([("b", B)], tarfile.USTAR_FORMAT)
    sample("tar/lone-zero-block", shorter(glued), member("a", A), member("b", B))
    damaged = bytearray(ustar)
    damaged[1536] ^= 1
    lines = [
        three[0],
        member("(damaged part)", bytes(damaged[1536:3584])),
        three[2],
        trouble(MALFORMED, None, "header is damaged"),
    ]
    sample("tar/damaged-header", bytes(damaged), *lines)
    ends = trouble(MALFORMED, None, "archive ends early")
    sample("tar/no-end-mark", ustar[: -len(bytes(1024))], *three, ends)
    negative = bytearray(ustar)
    negative[124:136] = b"\xff" * 12
    lines = [
        member("a.txt", b""),
        member("(damaged part)", A + bytes(-len(A) % 512)),
        *three[1:],
        trouble(MALFORMED, "a.txt", "size of a member is no number"),
        trouble(MALFORMED, None, "header is damaged"),
    ]
    sample("tar/negative-size", checksummed(negative[:512]) + bytes(negative[512:]), *lines)


MAKERS = (zips, gzips, bzip2s, xzs, zstds, tars)
