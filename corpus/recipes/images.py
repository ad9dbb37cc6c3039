"""Unix archives, packages and file-system images."""

import os
import re
import struct
import tempfile

from recipes.pair import A, B, C, MALFORMED, UNSUPPORTED, member, run, sample, trouble, words

FOLDER_TIME = "202401020304.06"


def tree(folder, files):
    """Files with fixed times."""
    for name, content in files:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
    settle(folder)


def settle(folder):
    run("find", folder, "-exec", "touch", "-h", "-t", FOLDER_TIME, "{}", "+")


def cpio(form, names, cwd, *options):
    listed = "\n".join(names).encode() + b"\n"
    packed = run("cpio", "-o", "-H", form, "--reproducible", "--quiet", *options, stdin=listed, cwd=cwd)
    # Without most of the padding to a record.
    return packed.rstrip(b"\0") + bytes(-len(packed.rstrip(b"\0")) % 4 + 4)


def newc(name, content, mode=0o100644, magic=b"070701", **fields):
    values = [1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    for place, value in fields.items():
        values[int(place[1:])] = value
    head = magic + b"".join(b"%08X" % value for value in values) + name + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def cpios():
    ab = [("a.txt", A), ("d/b.txt", B), ("odd", C[:33])]
    both = [member(name, content) for name, content in ab]
    names = ["a.txt", "d", "d/b.txt", "odd"]
    with tempfile.TemporaryDirectory() as folder:
        tree(folder, ab)
        packed = {form: cpio(form, names, folder) for form in ("newc", "crc", "odc", "bin")}
        for form in packed:
            sample("cpio/" + form, packed[form], *both)
        sample("cpio/bin-swapped", other_order(packed["bin"]), *both)
        os.link(os.path.join(folder, "odd"), os.path.join(folder, "same"))
        os.symlink("odd", os.path.join(folder, "to"))
        settle(folder)
        linked = cpio("newc", ["odd", "same", "to"], folder)
        sample("cpio/links", linked, member("same", C[:33]), member("to", b"odd"))
    plain = packed["newc"]
    one = newc(b"one", C) + newc(b"TRAILER!!!", b"", 0)
    sample("cpio/several", plain + bytes(512 - len(plain) % 512) + one, *both, member("one", C), "stops-at %d" % sum(map(len, (A, B, C[:33]))))
    gz = run("gzip", "-nc", stdin=one)
    sample("cpio/followed", plain + bytes(-len(plain) % 512) + gz, *both, member("(after end)", gz))
    broken = bytearray(plain)
    second = plain.index(b"070701", 100)
    third = plain.index(b"070701", second + 6)
    broken[second + 3] ^= 0x40
    lines = [both[0], member("(damaged part)", bytes(broken[second:third])), *both[1:]]
    sample("cpio/damaged-header", bytes(broken), *lines, trouble(MALFORMED, None, "header is damaged"))
    summed = bytearray(packed["crc"])
    summed[summed.index(A) + 5] ^= 1
    other = bytearray(A)
    other[5] ^= 1
    wrong = trouble(MALFORMED, "a.txt", "checksum does not match")
    sample("cpio/wrong-checksum", bytes(summed), member("a.txt", bytes(other)), *both[1:], wrong)
    trailer = plain.index(b"TRAILER!!!") - 110
    sample("cpio/no-trailer", plain[:trailer], *both, trouble(MALFORMED, None, "archive ends early"))
    hidden = newc(b"a", A) + newc(b"TRAILER!!!", C) + newc(b"b", B) + newc(b"TRAILER!!!", b"", 0)
    sample("cpio/trailer-with-data", hidden, member("a", A), member("TRAILER!!!", C), member("b", B), "stops-at %d" % len(A + C))
    stripped = b"07070X%08X" % 0 + bytes(2) + A
    text = "stripped cpio is not supported"
    sample("cpio/stripped", stripped, member("(damaged part)", stripped), trouble(UNSUPPORTED, None, text))


def other_order(packed):
    """The same archive as a machine of the other byte order writes it: every header's numbers are turned."""
    out, at = b"", 0
    while packed[at : at + 2] == b"\xc7\x71":
        words = struct.unpack_from("<13H", packed, at)
        name = words[10] + words[10] % 2
        size = words[11] << 16 | words[12]
        rest = 26 + name + size + size % 2
        out += struct.pack(">13H", *words) + packed[at + 26 : at + rest]
        at += rest
    return out + packed[at:]


def ars():
    long = "a-name-that-is-longer-than-sixteen.txt"
    files = [("a.txt", A), (long, B), ("even", C)]
    with tempfile.TemporaryDirectory() as folder:
        tree(folder, files)
        names = [name for name, _ in files]
        run("ar", "rcD", "gnu.a", *names, cwd=folder)
        gnu = open(os.path.join(folder, "gnu.a"), "rb").read()
        with open(os.path.join(folder, "one.s"), "wb") as f:
            f.write(b".globl here\nhere: .byte 1\n")
        run("as", "-o", "one.o", "one.s", cwd=folder)
        run("ar", "rcsD", "symbols.a", "one.o", cwd=folder)
        symbols = open(os.path.join(folder, "symbols.a"), "rb").read()
        one = open(os.path.join(folder, "one.o"), "rb").read()
        table = symbols[68 : 68 + int(symbols[56:66])]
    members = [member(name, content) for name, content in files]
    table_of_names = (long + "/\n").encode()
    table_of_names += b"\n" * (len(table_of_names) % 2)
    borders = ["stops-at %d" % size for size in sums([b"", table_of_names, A, B])]
    sample("ar/gnu", gnu, member("//", table_of_names), *members, *borders)
    borders = ["stops-at %d" % size for size in sums([b"", table])]
    sample("ar/symbols", symbols, member("/", table), member("one.o", one), *borders)
    system_v = b"!<arch>\n" + entry(b"a.txt/", A) + entry(b"b.txt", B) + entry(b"c/", C)
    borders = ["stops-at %d" % size for size in sums([b"", A, B])]
    sample("ar/short-names", system_v, member("a.txt", A), member("b.txt", B), member("c", C), *borders)
    name = long.encode() + bytes(-len(long) % 4)
    bsd = b"!<arch>\n" + entry(b"#1/%d" % len(name), name + B) + entry(b"a.txt", A)
    borders = ["stops-at %d" % size for size in sums([b"", B])]
    sample("ar/bsd", bsd, member(long, B), member("a.txt", A), *borders)
    unpadded = b"!<arch>\n" + entry(b"a/", A[:33])[:-1] + entry(b"b/", B)
    borders = ["stops-at %d" % size for size in sums([b"", A[:33]])]
    sample("ar/not-padded", unpadded, member("a", A[:33]), member("b", B), *borders)
    broken = bytearray(system_v)
    second = 8 + 60 + len(A)
    broken[second + 59] = 0
    lines = [
        member("a.txt", A),
        member("(damaged part)", bytes(broken[second : second + 60]) + B),
        member("c", C),
        trouble(MALFORMED, None, "header is damaged"),
    ]
    borders = ["stops-at %d" % size for size in sums([b"", A, bytes(60) + B])]
    sample("ar/damaged-header", bytes(broken), *lines, *borders)
    lines = [member("a.txt", A), member("b.txt", B[:100]), trouble(MALFORMED, "b.txt", "member ends early")]
    borders = ["stops-at %d" % size for size in sums([b"", A])]
    sample("ar/cut", system_v[: second + 160], *lines, *borders)


def entry(name, content):
    head = name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"644".ljust(8) + b"%d" % len(content)
    return head.ljust(58) + b"`\n" + content + b"\n" * (len(content) % 2)


def sums(parts):
    return [sum(map(len, parts[: count + 1])) for count in range(len(parts))]


def debs():
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root")
        control = b"Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: a\n"
        tree(root, [("DEBIAN/control", control), ("DEBIAN/postinst", b"#!/bin/sh\n" + C), ("usr/a.txt", A)])
        os.chmod(os.path.join(root, "DEBIAN/postinst"), 0o755)
        settle(root)
        os.environ["SOURCE_DATE_EPOCH"] = "1704164646"
        for form in ("gzip", "xz", "zstd"):
            built = os.path.join(folder, form + ".deb")
            run("dpkg-deb", "--root-owner-group", "-Z", form, "-b", root, built)
            packed = open(built, "rb").read()
            listed = [(n, run("ar", "p", built, n)) for n in run("ar", "t", built).decode().split()]
            sample("deb/" + form, packed, *(member(name, content) for name, content in listed))
    cut = packed[: 8 + 60 + 4]
    sample("deb/no-data", cut, member("debian-binary", b"2.0\n"), trouble(MALFORMED, None, "package has no data"))


SPEC = """
Name: sample
Version: 1
Release: 1
Summary: a
License: none
BuildArch: noarch
%description
a
%pre
echo before
%post -p /bin/sh
echo after
%preun
echo before removal
%postun
echo after removal
%triggerin -- other
echo trigger
%triggerun -- other
echo another trigger
%install
mkdir -p %{buildroot}/usr
cp %{src} %{buildroot}/usr/a.txt
%files
/usr/a.txt
"""
SCRIPTS = [("pre", "echo before"), ("post", "echo after"), ("preun", "echo before removal")]
SCRIPTS += [("postun", "echo after removal"), ("trigger", "echo trigger"), ("trigger", "echo another trigger")]


def rpm_header(packed, at):
    count, size = struct.unpack_from(">II", packed, at + 8)
    return packed[at : at + 16 + 16 * count + size]


def rpms():
    with tempfile.TemporaryDirectory() as folder:
        tree(folder, [("a.txt", A), ("s.spec", SPEC.encode())])
        for label, flags in (("gzip", "w9.gzdio"), ("xz", "w6.xzdio"), ("zstd", "w19.zstdio"), ("bzip2", "w9.bzdio"), ("plain", "w.ufdio")):
            fixed = {
                "_topdir": os.path.join(folder, label),
                "src": os.path.join(folder, "a.txt"),
                "_binary_payload": flags,
                "_buildhost": "host",
                "use_source_date_epoch_as_buildtime": "1",
                "clamp_mtime_to_source_date_epoch": "1",
            }
            os.environ["SOURCE_DATE_EPOCH"] = "1704164646"
            options = [part for pair in fixed.items() for part in ("--define", "%s %s" % pair)]
            run("rpmbuild", "-bb", *options, "s.spec", cwd=folder)
            built = os.path.join(folder, label, "RPMS/noarch/sample-1-1.noarch.rpm")
            packed = open(built, "rb").read()
            signatures = rpm_header(packed, 96)
            begin = 96 + len(signatures) + -len(signatures) % 8
            header = rpm_header(packed, begin)
            payload = packed[begin + len(header) :]
            texts = [member("(%s)" % name, text.encode()) for name, text in SCRIPTS]
            interpreters = [member("(%s interpreter)" % name, b"/bin/sh") for name, _ in SCRIPTS]
            lines = [member("(signatures)", signatures), member("(header)", header), *texts, *interpreters]
            sample("rpm/" + label, packed, *lines, member("(payload)", payload))
            if label == "gzip":
                unknown = packed[: -len(payload)] + A[: len(payload)]
                wrong = trouble(MALFORMED, "(payload)", "payload is in no known format")
                sample("rpm/unknown-payload", unknown, *lines, member("(payload)", A[: len(payload)]), wrong)
                broken = bytearray(packed)
                broken[begin] ^= 1
                lines = [member("(signatures)", signatures), member("(payload)", bytes(broken[begin:]))]
                wrong = trouble(MALFORMED, "(payload)", "payload is in no known format")
                sample("rpm/damaged-header", bytes(broken), *lines, wrong, trouble(MALFORMED, None, "header is damaged"))


def squashed(folder, *options):
    built = os.path.join(folder, "built.squashfs")
    fixed = ["-all-root", "-no-xattrs", "-noappend", "-no-progress", "-quiet", "-mkfs-time", "1704164646", "-all-time", "1704164646"]
    run("mksquashfs", os.path.join(folder, "root"), built, *fixed, *options)
    packed = open(built, "rb").read()
    os.remove(built)
    # Without the padding to 4 KiB.
    return packed[: struct.unpack_from("<Q", packed, 40)[0]]


def unlisted(stored, files):
    """The files of an image whose root lists nothing, in the order of its inodes, by number."""
    table, after = struct.unpack_from("<QQ", stored, 64)
    at, end = table + 2, table + 2 + (struct.unpack_from("<H", stored, table)[0] & 0x7FFF)
    assert end == after
    found = []
    by_size = {len(content): content for content in files.values()}
    while at < end:
        kind, number = struct.unpack_from("<H10xI", stored, at)
        if kind == 2:
            _, fragment, _, size = struct.unpack_from("<IIII", stored, at + 16)
            blocks = size // 4096 if fragment != 0xFFFFFFFF else -(-size // 4096)
            found.append(member("(inode %d)" % number, by_size[size]))
            at += 32 + 4 * blocks
        elif kind == 9:
            size, _, _, fragment = struct.unpack_from("<QQII", stored, at + 24)
            blocks = size // 4096 if fragment != 0xFFFFFFFF else -(-size // 4096)
            found.append(member("(inode %d)" % number, by_size[size]))
            at += 56 + 4 * blocks
        else:
            target = struct.unpack_from("<I", stored, at + 20)[0]
            at += {1: 32, 3: 24 + target, 6: 20}[kind]
    # A content that several inodes have comes once.
    return [line for at, line in enumerate(found) if line.split(" ", 2)[2] not in {f.split(" ", 2)[2] for f in found[:at]}]


def squashfss():
    big = b"".join(b"%d %s" % (number, A) for number in range(10))
    holes = bytes(4096) + A.ljust(4096, b".") + bytes(4096) + B
    files = [("a.txt", A), ("d/b.txt", B), ("d/e/empty", b""), ("big", big), ("holes", holes)]
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root")
        tree(root, files + [("z-same", A)])
        os.symlink("a.txt", os.path.join(root, "link"))
        os.link(os.path.join(root, "a.txt"), os.path.join(root, "hard"))
        os.mkfifo(os.path.join(root, "pipe"))
        settle(root)
        order = ["a.txt", "big", "d/b.txt", "d/e/empty", "holes"]
        lines = [member(name, dict(files)[name]) for name in order]
        for form in ("gzip", "lzma", "xz", "lz4", "zstd"):
            sample("squashfs/" + form, squashed(folder, "-comp", form, "-b", "4096"), *lines)
        stored = squashed(folder, "-comp", "xz", "-b", "4096", "-noI", "-noD", "-noF")
        sample("squashfs/stored", stored, *lines)
        sample("squashfs/no-fragments", squashed(folder, "-no-fragments"), *lines)
        sample("squashfs/all-in-fragments", squashed(folder, "-always-use-fragments", "-b", "131072"), *lines)
        wrong = trouble(UNSUPPORTED, None, "squashfs with lzo is not supported")
        sample("squashfs/lzo", squashed(folder, "-comp", "lzo"), wrong)
        sample("squashfs/followed", stored + bytes(96) + C, *lines, member("(after end)", C))
        old = bytearray(stored)
        old[28] = 3
        sample("squashfs/version", bytes(old), trouble(UNSUPPORTED, None, "squashfs version 3 is not supported"))
        # A directory that lists nothing hides the files from those who follow directories.
        hidden = bytearray(stored)
        root_inode = struct.unpack_from("<Q", stored, 32)[0]
        table = struct.unpack_from("<Q", stored, 64)[0]
        place = table + 2 + (root_inode >> 16) + (root_inode & 0xFFFF)
        assert struct.unpack_from("<H", stored, place)[0] == 1
        struct.pack_into("<H", hidden, place + 24, 3)
        sample("squashfs/unlisted", bytes(hidden), *unlisted(stored, dict(files)))
        many = [("n/%03d-%s" % (number, "x" * 200), b"file %d\n" % number) for number in range(60)]
        run("rm", "-r", root)
        tree(root, many)
        sample("squashfs/many", squashed(folder, "-comp", "xz"), *(member(name, content) for name, content in many))


def iso(folder, *options):
    command = ["genisoimage", "-quiet", "-no-pad", "-V", "SAMPLE", *options, "-o", "built.iso", "root"]
    run("faketime", "2024-01-02 03:04:06", *command, cwd=folder)
    return open(os.path.join(folder, "built.iso"), "rb").read()


def isos():
    files = [("a.txt", A), ("Long name of a file.text", C), ("d/b.txt", B)]
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root")
        tree(root, files + [("empty", b"")])
        plain = iso(folder)
        upper = [member("A.TXT", A), member("LONG_NAM.TEX", C), member("D/B.TXT", B)]
        sample("iso9660/plain", plain, *upper)
        lines = [member(name, content) for name, content in files]
        sample("iso9660/rock-ridge", iso(folder, "-R"), *lines)
        sample("iso9660/joliet", iso(folder, "-J"), *upper)
        only = iso(folder, "-R", "-J", "-hide", "a.txt", "-hide-joliet", "b.txt")
        sample("iso9660/one-tree-each", only, lines[1], lines[2], lines[0])
        booted = iso(folder, "-R", "-b", "a.txt", "-no-emul-boot", "-boot-load-size", "2", "-c", "catalog", "-hide", "a.txt", "-hide", "catalog")
        begin = booted.index(A)
        sample("iso9660/boot-image", booted, lines[1], lines[2], member("(boot image 1)", booted[begin : begin + 1024]))
        sample("iso9660/followed", plain + bytes(512) + C, *upper, member("(after end)", C))
        area = A + bytes(32768 - len(A))
        sample("iso9660/system-area", area + plain[32768:], member("(system area)", area), *upper)
        # Places are there in both byte orders: of each reader one.
        other = bytearray(plain)
        record = other.index(b"A.TXT;1") - 33
        at = struct.unpack_from("<I", other, record + 2)[0]
        other_at = other.index(B) // 2048
        struct.pack_into(">II", other, record + 6, other_at, len(A))
        struct.pack_into(">I", other, record + 6, other_at)
        struct.pack_into("<I", other, record + 10, len(A))
        two = member("A.TXT", B[: len(A)])
        wrong = trouble(MALFORMED, "A.TXT", "place is stated in two ways")
        sample("iso9660/two-byte-orders", bytes(other), upper[0], two, *upper[1:], wrong)
        loop = bytearray(plain)
        record = loop.index(b"\x01D", loop.index(b"A.TXT;1")) - 32
        loop[record + 2 : record + 18] = plain[32768 + 158 : 32768 + 174]
        sample("iso9660/loop", bytes(loop), *upper[:2])
        deep = "1/2/3/4/5/6/7/8/9/deep.txt"
        tree(root, [(deep, C[::-1])])
        moved = iso(folder, "-R")
        sample("iso9660/moved-directory", moved, *lines[:2], member(deep, C[::-1]), lines[2])
        run("rm", "-r", root)
        zeros = A.ljust(40000, b".") + bytes(65536) + B
        tree(root, [("z", zeros)])
        run("mkzftree", root, os.path.join(folder, "packed"))
        run("rm", "-r", root)
        os.rename(os.path.join(folder, "packed"), root)
        settle(root)
        packed = open(os.path.join(root, "z"), "rb").read()
        sample("zisofs/holes", packed, member("(zisofs)", zeros))
        sample("iso9660/compressed", iso(folder, "-R", "-z"), member("z", packed))
        wrong = trouble(MALFORMED, None, "compressed data is damaged")
        pointers = struct.unpack_from("<5I", packed, 16)
        broken = bytearray(packed)
        broken[pointers[0]] ^= 1
        sample("zisofs/damaged-block", bytes(broken), member("(zisofs)", zeros[32768:]), wrong)
        # UDF beside ISO 9660, and the same image without the latter's descriptors.
        run("rm", "-r", root)
        tree(root, files)
        bridge = iso(folder, "-udf", "-hide", "a.txt")
        sample("iso9660/udf-beside-it", bridge, upper[1], upper[2], lines[0], zeros=64)
        bridge = iso(folder, "-udf")
        sample("iso9660/udf-bridge", bridge, *upper, zeros=64)
        alone = bytearray(bridge)
        begin = bridge.index(b"\0BEA01")
        alone[32768 : 32768 + 3 * 2048] = bridge[begin : begin + 3 * 2048]
        alone[32768 + 3 * 2048 : begin + 3 * 2048] = bytes(begin - 32768)
        by_name = [lines[1], lines[0], lines[2]]
        sample("udf/alone", bytes(alone), *by_name, zeros=64)
        blank = bytearray(alone)
        blank[256 * 2048 : 257 * 2048] = bytes(2048)
        last = len(blank) // 2048 * 2048 - 2048
        blank[last : last + 2048] = bytes(2048)
        sample("udf/no-anchor", bytes(blank), trouble(MALFORMED, None, "UDF volume is damaged"), zeros=64)
        # A file in parts: the record before has more of the next one, whose name is the same.
        run("rm", "-r", root)
        tree(root, [("a1", B[:700]), ("a2", A), ("b1", words(9, 2048)), ("b2", C)])
        parts = bytearray(iso(folder))
        for name in (b"A", b"B"):
            first = parts.index(name + b"1.;1") - 33
            second = parts.index(name + b"2.;1") - 33
            parts[first + 25] |= 0x80
            parts[second + 34] = ord("1")
        sample("iso9660/parts", bytes(parts), member("A1", B[:700] + A), member("B1", words(9, 2048) + C))
        parts[second + 34] = ord("2")
        wrong = trouble(MALFORMED, "B2", "parts of a file have two names")
        lines = [member("A1", B[:700] + A), member("B2", C), member("B2", words(9, 2048) + C), wrong]
        sample("iso9660/parts-of-two-names", bytes(parts), *lines)


MAKERS = (cpios, ars, debs, rpms, squashfss, isos)
