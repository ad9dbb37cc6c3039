"""Office documents: compound files, RTF, OOXML and ODF."""

import base64
import io
import os
import struct
import tempfile
import zipfile
import zlib

from recipes.pair import A, B, C, ENCRYPTED, MALFORMED, WHEN, member, run, sample, trouble, words

FREE, END, FAT, DIFAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
LARGE = words(7, 5000)


class Cfb:
    """Writes a compound file: the streams in order, storages as their paths need them."""

    def __init__(self, streams, sector=512, scattered=False, orphans=()):
        self.sector, self.sectors, self.fat = sector, [], []
        self.entries = [["Root Entry", 5, FREE, b"", []]]
        self.scattered = scattered
        for path, content in streams:
            parent = self.entries[0]
            *storages, name = path.split("/")
            for storage in storages:
                known = [self.entries[at] for at in parent[4] if self.entries[at][0] == storage]
                parent = known[0] if known else self.add(parent, storage, 1, b"")
            self.add(parent, name, 2, content)
        for name, content in orphans:
            self.add(None, name, 2, content)

    def add(self, parent, name, kind, content):
        entry = [name, kind, FREE, content, []]
        if parent is not None:
            parent[4].append(len(self.entries))
        self.entries.append(entry)
        return entry

    def chain(self, content):
        """Puts content into sectors; backwards where they are scattered."""
        if not content:
            return END
        count = -(-len(content) // self.sector)
        first = len(self.sectors)
        padded = content.ljust(count * self.sector, b"\0")
        parts = [padded[at * self.sector : (at + 1) * self.sector] for at in range(count)]
        if self.scattered:
            self.sectors += parts[::-1]
            self.fat += [END] + list(range(first, first + count - 1))
            return first + count - 1
        self.sectors += parts
        self.fat += list(range(first + 1, first + count)) + [END]
        return first

    def bytes(self, **header):
        mini, minifat, sizes = b"", [], {}
        for at, (_, kind, _, content, _) in enumerate(self.entries):
            sizes[at] = len(content)
            if kind != 2:
                continue
            if len(content) >= 4096 or not content:
                self.entries[at][2] = self.chain(content) if content else END
                continue
            first, count = len(minifat), -(-len(content) // 64)
            minifat += list(range(first + 1, first + count)) + [END]
            mini += content.ljust(count * 64, b"\0")
            self.entries[at][2] = first
        self.entries[0][2], sizes[0] = self.chain(mini), len(mini)
        minifat_at = self.chain(struct.pack("<%dI" % len(minifat), *minifat))
        directory = b"".join(self.entry(at, sizes[at]) for at in range(len(self.entries)))
        empty = struct.pack("<64sHBBIII36xIQ", b"", 0, 0, 0, FREE, FREE, FREE, 0, 0)
        directory += empty * (-len(self.entries) % (self.sector // 128))
        directory_at = self.chain(directory)
        return self.finish(directory_at, minifat_at, **header)

    def entry(self, at, size):
        name, kind, start, _, children = self.entries[at]
        units = name.encode("utf-16-le")
        child = children[0] if children else FREE
        right = FREE
        for _, _, _, _, siblings in self.entries:
            if at in siblings and siblings.index(at) + 1 < len(siblings):
                right = siblings[siblings.index(at) + 1]
        start = 0 if kind == 1 else start
        return struct.pack("<64sHBBIII36xIQ", units, len(units) + 2, kind, 1, FREE, right, child, start, size)

    def finish(self, directory_at, minifat_at, cutoff=4096, shift=None):
        per = self.sector // 4
        count = 1
        while count * per < len(self.fat) + count:
            count += 1
        at = len(self.sectors)
        fat = self.fat + [FAT] * count
        fat += [FREE] * (count * per - len(fat))
        packed = struct.pack("<%dI" % len(fat), *fat)
        header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
        major = 3 if self.sector == 512 else 4
        header += struct.pack("<HHHHH6x", 0x3E, major, 0xFFFE, shift or self.sector.bit_length() - 1, 6)
        directories = 0 if major == 3 else 1
        header += struct.pack("<IIIIIIIIII", directories, count, directory_at, 0, cutoff, minifat_at, 1, END, 0, at)
        header += struct.pack("<108I", *([at + n for n in range(1, count)] + [FREE] * (109 - count)))
        return header.ljust(self.sector, b"\0") + b"".join(self.sectors) + packed


def cfb(streams, **options):
    return Cfb(streams, **options).bytes()


def vba_packed(text):
    """Visual Basic's compression, with a copy wherever three bytes come again."""
    out = b"\1"
    for begin in range(0, len(text), 4096):
        chunk, at, body = text[begin : begin + 4096], 0, b""
        while at < len(chunk):
            flags, group = 0, b""
            for bit in range(8):
                if at >= len(chunk):
                    break
                bits = max((at - 1).bit_length(), 4) if at else 4
                longest, most = 2, min((0xFFFF >> bits) + 3, len(chunk) - at)
                while longest < most and chunk.find(chunk[at : at + longest + 1], 0, at + longest) < at:
                    if chunk.find(chunk[at : at + longest + 1], 0, at + longest) < 0:
                        break
                    longest += 1
                if longest < 3:
                    group += chunk[at : at + 1]
                    at += 1
                    continue
                back = at - chunk.find(chunk[at : at + longest], 0, at + longest - 1)
                flags |= 1 << bit
                group += struct.pack("<H", (back - 1) << (16 - bits) | (longest - 3))
                at += longest
            body += bytes([flags]) + group
        out += struct.pack("<H", 0xB000 | (len(body) - 1)) + body
    return out


def record(kind, data):
    return struct.pack("<HI", kind, len(data)) + data


def vba_dir(modules):
    out = record(1, b"\3\0\0\0") + record(2, b"\x09\4\0\0") + record(0x14, b"\x09\4\0\0") + record(3, b"\xe4\4")
    out += record(4, b"Project") + record(5, b"") + record(0x40, b"") + record(6, b"") + record(0x3D, b"")
    out += record(7, bytes(4)) + record(8, bytes(4)) + struct.pack("<HIIH", 9, 4, 1, 2)
    out += record(12, b"") + record(0x3C, b"")
    out += record(15, struct.pack("<H", len(modules))) + record(19, b"\xff\xff")
    for name, stream, offset in modules:
        out += record(0x19, name.encode("cp1252")) + record(0x47, name.encode("utf-16-le"))
        out += record(0x1A, stream.encode("cp1252")) + record(0x32, stream.encode("utf-16-le"))
        out += record(0x1C, b"") + record(0x48, b"") + record(0x31, struct.pack("<I", offset))
        out += record(0x1E, b"\0\0\0\0") + record(0x2C, b"\xff\xff") + record(0x21, b"") + record(0x2B, b"")
    return out + record(16, b"")


def module_text(name, seed):
    text = 'Attribute VB_Name = "%s"\r\nSub Auto_Open()\r\n%s\r\nEnd Sub\r\n'
    return (text % (name, words(seed, 400).decode().replace("\n", "\r\n"))).encode("cp1252")


def package(label, content):
    path = b"C:\\" + label
    out = struct.pack("<H", 2) + label + b"\0" + path + b"\0" + struct.pack("<HHI", 0, 3, len(path) + 1) + path + b"\0"
    return out + struct.pack("<I", len(content)) + content


def native(content):
    return struct.pack("<I", len(content)) + content


def compound_files():
    streams = [("Small", A), ("Storage/Large", LARGE), ("Storage/\1CompObj", C), ("Empty", b"")]
    given = [member(n.replace("\1", "[1]"), c) for n, c in streams]
    sample("ole2/v3", cfb(streams), *given)
    sample("ole2/v4", cfb(streams[:1], sector=4096), given[0])
    sample("ole2/scattered", cfb(streams, scattered=True), *given)
    sample("ole2/orphaned", cfb(streams, orphans=[("Lost", B)]), *given, member("(orphaned)/Lost", B))
    sample("ole2/followed", cfb(streams) + C, *given, member("(after end)", C))
    other = Cfb(streams).bytes(cutoff=600)
    text = "header says that the stream is elsewhere"
    # The small stream's place among the sectors: the first two, which are the large one's.
    other_view = member("Small", LARGE[: len(A)])
    wrong = [given[0], other_view, *given[1:], trouble(MALFORMED, "Small", text)]
    sample("ole2/other-cutoff", other, *wrong)
    data = bytearray(cfb([("Large", LARGE)]))
    fat = 512 * (1 + struct.unpack_from("<I", data, 76)[0])
    struct.pack_into("<I", data, fat + 4 * 9, 0)
    struct.pack_into("<Q", data, data.index("Large".encode("utf-16-le")) + 120, 1 << 30)
    sectors = len(data) // 512 - 1
    stretched = (LARGE.ljust(5120, b"\0") * 2)[: sectors * 512]
    sample("ole2/loop", bytes(data), member("Large", stretched), trouble(MALFORMED, "Large", "chain of sectors has no end"))
    packaged = [("\1Ole10Native", native(package(b"a.txt", A))), ("\1CompObj", C)]
    raw = [member(n.replace("\1", "[1]"), c) for n, c in packaged]
    sample("ole2/package", cfb(packaged), raw[0], member("a.txt", A), raw[1])
    short = native(package(b"a.txt", A)[:-100])
    wrong = trouble(MALFORMED, "[1]Ole10Native", "packaged file ends early")
    sample("ole2/package-cut", cfb([("\1Ole10Native", short)]), member("[1]Ole10Native", short), member("a.txt", A[:-100]), wrong)
    equation = native(b"\x1c\0\0\0\2\0" + C)
    sample("ole2/native", cfb([("\1Ole10Native", equation)]), member("[1]Ole10Native", equation))


def presentations():
    inner = cfb([("Contents", A)])
    packed = struct.pack("<HHI", 0x10, 0x1011, 4 + len(zlib.compress(inner))) + struct.pack("<I", len(inner))
    records = struct.pack("<HHI", 15, 1000, len(C)) + C + packed + zlib.compress(inner)
    records += struct.pack("<HHI", 0, 0x1011, len(inner)) + inner
    name = "PowerPoint Document"
    objects = [member(name + "/(object %d)" % n, inner) for n in (1, 2)]
    sample("ole2/presentation", cfb([(name, records)]), member(name, records), *objects)
    unfinished = zlib.compressobj()
    unfinished = unfinished.compress(inner) + unfinished.flush(zlib.Z_SYNC_FLUSH)
    packed = struct.pack("<HHI", 0x10, 0x1011, 4 + len(unfinished)) + struct.pack("<I", len(inner)) + unfinished
    sample("ole2/presentation-unfinished", cfb([(name, packed)]), member(name, packed), objects[0])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.txt", WHEN), A)
    theme = out.getvalue()
    header = struct.pack("<HHI", 0, 0x40E, len(theme))
    start = struct.pack("<HHI", 15, 1000, len(C + theme * 2 + B) + 24) + C
    end = struct.pack("<HHI", 0, 0, len(B)) + B
    parts = [start + header, theme, header, theme, end]
    names = ["(records 1)", "(package 1)", "(records 2)", "(package 2)", "(records)"]
    given = [member("(records 1)", parts[0][8:]), *map(member, names[1:], parts[1:])]
    sample("powerpoint/packages", b"".join(parts), *given)
    start = struct.pack("<HHI", 15, 1000, len(C + theme + B) + 16) + C
    lies = struct.pack("<HHI", 0, 0x40E, 5)
    sample("powerpoint/length-lies", start + lies + theme + end, member("(at 56)", theme))


def normal(texts):
    """Modules as one text; those here quote nothing that would change."""
    def outside(text):
        parts = text.decode("cp1252").split('"')
        return '"'.join(p if at % 2 else p.lower() for at, p in enumerate(parts)).encode()

    return member("(vba project)", b"".join(outside(text) + b"\n" for text in texts))


def projects():
    texts = [("Module1", "Module1", module_text("Module1", 11)), ("Tür", "T\xfcr", module_text("T", 12))]
    spare = bytes(range(200))
    streams = [("Macros/VBA/" + s, spare + vba_packed(t)) for _, s, t in texts]
    listing = vba_packed(vba_dir([(n, s, 200) for n, s, _ in texts]))
    streams.append(("Macros/VBA/dir", listing))
    streams.append(("Macros/VBA/_VBA_PROJECT", b"\xcc\x61\xff\xff\0\0\0"))
    raw = [member(n, c) for n, c in streams]
    modules = [member(b"(vba) " + n.encode("cp1252"), t) for n, _, t in texts]
    sample("ole2/vba", cfb(streams), *raw, *modules, normal([t for _, _, t in texts]))
    found = [member("(vba) Macros/VBA/" + s, t) for _, s, t in texts]
    broken = streams[:2] + [("Macros/VBA/dir", listing[:150])]
    wrong = [trouble(MALFORMED, "Macros/VBA/dir", "compressed text ends early")]
    sample("ole2/vba-broken-list", cfb(broken), *[member(n, c) for n, c in broken], modules[0], normal([texts[0][2]]), found[1], normal([texts[1][2]]), *wrong)
    gone = [("VBA/dir", vba_packed(vba_dir([("Gone", "Gone", 0)]))), ("Elsewhere", streams[0][1])]
    lost = trouble(MALFORMED, "(vba) Gone", "module has no stream")
    sample("ole2/vba-no-stream", cfb(gone), *[member(n, c) for n, c in gone], member("(vba) Elsewhere", texts[0][2]), normal([texts[0][2]]), lost)
    long = module_text("Long", 13) * 12
    alone = [("Long", vba_packed(long))]
    sample("ole2/vba-chunks", cfb(alone), *[member(n, c) for n, c in alone], member("(vba) Long", long), normal([long]))


def encrypted_documents():
    def one(name, stream, content, *more):
        streams = [(stream, content), *more]
        given = [member(n, c) for n, c in streams]
        sample("ole2/encrypted-" + name, cfb(streams), *given, trouble(ENCRYPTED, stream, "document is encrypted"))

    one("ooxml", "EncryptedPackage", struct.pack("<Q", 600) + B, ("EncryptionInfo", A))
    one("word", "WordDocument", struct.pack("<HHIHH", 0xA5EC, 0xC1, 0, 0, 0x1300) + A)
    bof = struct.pack("<HHHHIII", 0x809, 16, 0x600, 5, 0, 0, 0)
    one("excel", "Workbook", bof + struct.pack("<HHHH", 0x2F, 4, 0, 0x1234) + A)
    one("powerpoint", "Current User", struct.pack("<HHIII", 0, 0xFF6, 0x14, 0x14, 0xF3D1C4DF) + C)


def streams_of(data):
    """What a document that another tool wrote holds, as olefile reads it."""
    import olefile

    with olefile.OleFileIO(data) as document:
        entries = [entry for entry in document.direntries[1:] if entry and entry.entry_type == 2]
        return [(e.name, document._open(e.isectStart, e.size).read()) for e in entries]


def foreign_compound_files():
    """A spreadsheet of xlwt's and an installer of wixl's: names and contents as olefile has them."""
    import xlwt

    book = xlwt.Workbook()
    book.add_sheet("S").write(0, 0, "text")
    out = io.BytesIO()
    book.save(out)
    given = [member(n.replace("\5", "[5]"), c) for n, c in streams_of(out.getvalue())]
    sample("ole2/xlwt", out.getvalue(), *given)
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "a.txt"), "wb") as f:
            f.write(A)
        with open(os.path.join(folder, "a.wxs"), "w") as f:
            f.write(WXS)
        run("wixl", "-o", "a.msi", "a.wxs", cwd=folder)
        with open(os.path.join(folder, "a.msi"), "rb") as f:
            data = f.read()
    given = [member(installer_name(n), c) for n, c in streams_of(data)]
    sample("ole2/msi", data, *given)


WXS = """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><Product Id="*" Name="T" Version="1.0"
Manufacturer="M" Language="1033" UpgradeCode="11111111-1111-1111-1111-111111111111">
<Package InstallerVersion="200" Compressed="yes"/><Media Id="1" Cabinet="c.cab" EmbedCab="yes"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Component Id="C" Guid="*"><File Id="F" Source="a.txt"/>
</Component></Directory><Feature Id="A" Level="1"><ComponentRef Id="C"/></Feature></Product></Wix>"""


def installer_name(name):
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._"
    out = ""
    for unit in name.replace("\5", "[5]"):
        at = ord(unit) - 0x3800
        if 0 <= at < 0x1000:
            out += letters[at & 63] + letters[at >> 6]
        elif 0x1000 <= at < 0x1040:
            out += letters[at - 0x1000]
        else:
            out += "!" if at == 0x1040 else unit
    return out


def ole1(name, content):
    return struct.pack("<III", 0x501, 2, len(name) + 1) + name + b"\0" + bytes(8) + struct.pack("<I", len(content)) + content


def rtfs():
    def one(name, body, *lines):
        sample("rtf/" + name, b"{\\rtf1\\ansi text " + body + b"}\n", *lines)

    def data(word, content):
        return b"{\\object\\objemb{\\*\\objclass X}{\\*\\" + word + b" " + content + b"}}"

    inner = cfb([("Contents", A)])
    packaged = package(b"a.txt", B)
    two = data(b"objdata", ole1(b"Package", packaged).hex().encode()) + data(b"objdata", ole1(b"Word", inner).hex().encode())
    files = [member("(object 1)", packaged), member("a.txt", B), member("(object 2)", inner)]
    one("objects", two, *files)
    digits = ole1(b"Word", C).hex()
    lines = "\r\n".join(digits[at : at + 60].upper() for at in range(0, len(digits), 60)).encode()
    given = member("(object 1)", C)
    one("lines", data(b"objdata", lines), given)
    junk = b"".join(
        digits[at : at + 7].encode() + (b"\\foo12 ", b"{\\*\\bar 41}", b"{\\b}", b"{\\info 42}", b"\t--", b"{}")[at // 7 % 6]
        for at in range(0, len(digits), 7)
    )
    one("junk", data(b"objdata0", junk), given)
    half = len(digits) // 4 * 2
    binary = digits[:half].encode() + b"\\bin%d " % (len(digits) // 2 - half // 2) + bytes.fromhex(digits[half:])
    one("binary", data(b"objdata", binary), given)
    long = digits[:10].encode() + b"\\" + b"a" * 255 + digits[10:].encode()
    one("long-word", data(b"objdata", long), given)
    escaped = digits[:81].encode() + b"\\'5a" + digits[81:].encode()
    dropped = digits[:80] + digits[81:]
    whole = bytes.fromhex(digits)
    content = whole[len(whole) - len(C) :]
    raw_dropped = bytes.fromhex(dropped[: len(dropped) // 2 * 2])
    begin = len(whole) - len(C)
    cut = trouble(MALFORMED, "(object 1)", "object ends early")
    byte = bytes.fromhex(digits[:80]) + b"\x5a" + bytes.fromhex(digits[80:])
    third = [member("(object 1)", byte[begin : begin + len(C)]), member("(object 1)/(rest)", byte[begin + len(C) :])]
    one("escaped", data(b"objdata", escaped), given, member("(object 1)", raw_dropped[begin:]), *third, cut)
    one("raw", data(b"objdata", (C + inner).hex().encode()), member("(object 1)", C + inner), member("(object 1)/(at 40)", inner))
    picture = b"{\\pict{\\*\\picprop{\\sp{\\sn a}{\\sv 1}}}\\pngblip\\picw10 " + A.hex().encode() + b"}"
    bin_picture = b"{\\pict\\wmetafile8\\bin%d " % len(B) + B + b"}"
    one("pictures", picture + bin_picture, member("(picture 1)", A), member("(picture 2)", B))
    one("datastore", b"{\\*\\datastore " + inner.hex().encode() + b"}", member("(datastore 1)", inner))
    nested = b"{\\object{\\*\\objdata " + digits[:40].encode() + data(b"objdata", A.hex().encode()) + digits[40:].encode() + b"}}"
    one("nested", nested, member("(object 2)", A), given)
    sample("rtf/followed", b"{\\rtf1 text}\r\n" + inner, member("(after end)", b"\r\n" + inner))
    sample("rtf/space-before", b"\r\n {\\rtf1" + data(b"objdata", digits.encode()) + b"}", given)
    early = trouble(MALFORMED, None, "document ends early")
    sample("rtf/cut", b"{\\rt{\\*\\objdata " + A.hex().encode(), member("(object 1)", A), early)


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def fixed_times(data):
    """The same archive with the same times in every run."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members_of(data):
            archive.writestr(zipfile.ZipInfo(name, WHEN), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def zipped_documents():
    import odf.opendocument
    import openpyxl

    out = io.BytesIO()
    openpyxl.Workbook().save(out)
    book = fixed_times(out.getvalue())
    sample("ooxml/openpyxl", book, *[member(n, c) for n, c in members_of(book)])
    parts = [("[Content_Types].xml", A), ("word/vbaProject.bin", cfb([("VBA/dir", vba_packed(vba_dir([])))]))]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in reversed(parts):
            archive.writestr(zipfile.ZipInfo(name, WHEN), content, zipfile.ZIP_DEFLATED)
    sample("ooxml/list-last", out.getvalue(), *[member(n, c) for n, c in reversed(parts)])
    out = io.BytesIO()
    odf.opendocument.OpenDocumentText().save(out)
    text = out.getvalue()
    sample("odf/odfpy", text, *[member(n, c) for n, c in members_of(text)])
    entry = '<manifest:file-entry manifest:full-path="%s" manifest:media-type="text/xml"%s'
    hidden = '><manifest:encryption-data manifest:checksum-type="SHA1/1K"/></manifest:file-entry>'
    manifest = (entry % ("/", "/>") + entry % ("content.xml", hidden) + entry % ("a.xml", "/>")).encode()
    parts = [("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", A), ("META-INF/manifest.xml", manifest)]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts:
            archive.writestr(zipfile.ZipInfo(name, WHEN), content)
    sample("odf/encrypted", out.getvalue(), *[member(n, c) for n, c in parts], trouble(ENCRYPTED, "content.xml", "member is encrypted"))
    sample("zip/encrypted-odf", C + out.getvalue(), *[member(n, c) for n, c in parts], member("(before start)", C), trouble(ENCRYPTED, "content.xml", "member is encrypted"))


def active_mime(content):
    return b"ActiveMime\0\0\1\xf0\4\0\0\0\xff\xff\xff\xff\0\0\7\xf0" + bytes(4) + struct.pack("<I", 4) + bytes(16) + zlib.compress(content)


def xml_documents():
    inner = cfb([("Contents", A)])
    lines = base64.encodebytes
    head = b'<?xml version="1.0"?>\n<?mso-application progid="Word.Document"?>\n'
    word = head + b'<w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml">'
    end = b"</w:wordDocument>\n"
    one = b'<w:binData w:name="editdata.mso" xml:space="preserve">%s</w:binData>' % lines(active_mime(inner))
    two = b"<w:binData>%s</w:binData><w:binData/>" % lines(B)
    given = [member("editdata.mso", active_mime(inner)), member("(binary 2)", B)]
    sample("msxml/word", word + one + two + end, *given)
    sample("msxml/word-wide", (word + one + two + end).decode().encode("utf-16"), *given)
    text = base64.b64encode(B)
    hidden = text[:40] + b"<!-- QUJD > - -->" + text[40:80] + b"<![CDATA[" + text[80:120] + b"]]>&#x%x;&#%d;" % (text[120], text[121]) + text[122:]
    sample("msxml/word-hidden", word + b"<w:binData>" + hidden + b"</w:binData>" + end, member("(binary 1)", B))
    early = trouble(MALFORMED, None, "document ends early")
    sample("msxml/word-cut", word + two, member("(binary 1)", B), early)
    flat = head + b'<pkg:package xmlns:pkg="http://schemas.microsoft.com/office/2006/xmlPackage">'
    part = b'<pkg:part pkg:name="/word/vbaProject.bin" pkg:contentType="x"><pkg:binaryData>%s</pkg:binaryData></pkg:part>'
    sample("msxml/flat", flat + part % lines(inner) + b"</pkg:package>", member("/word/vbaProject.bin", inner))
    sample("activemime/plain", active_mime(inner), member("(activemime)", inner))
    ends = trouble(MALFORMED, None, "compressed data ends early")
    sample("activemime/cut", active_mime(LARGE)[:900], member("(activemime)", zlib.decompressobj().decompress(active_mime(LARGE)[50:900])), ends)


def notes():
    file = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")

    def section(content):
        head = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3").ljust(196, b"\0")
        return head + struct.pack("<Q", 204 + len(content)) + content

    def embedded(content, size):
        return file + struct.pack("<QIQ", size, 0, 0) + content

    whole = section(A + embedded(B, len(B)) + A + embedded(C, len(C)))
    sample("onenote/files", whole, member("(file 1)", B), member("(file 2)", C))
    short = section(embedded(C, 1 << 40))
    sample("onenote/cut", short, member("(file 1)", C), trouble(MALFORMED, "(file 1)", "file ends early"))


MAKERS = [
    compound_files,
    presentations,
    projects,
    encrypted_documents,
    foreign_compound_files,
    rtfs,
    zipped_documents,
    xml_documents,
    notes,
]
