//! Word documents and Excel workbooks, with the least parts that programs open.

use crate::archive::{Method, OFFICE_HEAD_BYTES, packed_secret, zip};
use crate::random::Random;
use crate::{Body, texts};

const HEADER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// A Word document.
pub(crate) fn docx(banner: &str, random: &mut Random) -> Body {
    let secret = texts::secret(14, random);
    let lines = [banner, texts::sentence(random)];
    let paragraphs: String = lines
        .into_iter()
        .chain(secret.lines())
        .map(|line| format!("<w:p><w:r><w:t>{line}</w:t></w:r></w:p>"))
        .collect();
    let document = format!(
        "{HEADER}<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{paragraphs}</w:body></w:document>"
    );
    let kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
    let members = [
        (
            "[Content_Types].xml",
            types(&[("/word/document.xml", kind)]),
        ),
        (
            "_rels/.rels",
            relations("officeDocument", "word/document.xml"),
        ),
        ("word/document.xml", document.into_bytes()),
    ];
    packaged(&members, &secret, "docx")
}

/// An Excel workbook with one sheet.
pub(crate) fn xlsx(banner: &str, random: &mut Random) -> Body {
    let secret = texts::secret(14, random);
    let rows: String = [banner]
        .into_iter()
        .chain(secret.lines())
        .zip(1_u32..)
        .map(|(line, row)| {
            format!(
                "<row r=\"{row}\"><c r=\"A{row}\" t=\"inlineStr\"><is><t>{line}</t></is></c></row>"
            )
        })
        .collect();
    let space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let sheet =
        format!("{HEADER}<worksheet xmlns=\"{space}\"><sheetData>{rows}</sheetData></worksheet>");
    let workbook = format!(
        "{HEADER}<workbook xmlns=\"{space}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"Sheet1\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"
    );
    let kind = |part: &str| {
        format!("application/vnd.openxmlformats-officedocument.spreadsheetml.{part}+xml")
    };
    let parts = [
        ("/xl/workbook.xml", &*kind("sheet.main")),
        ("/xl/worksheets/sheet1.xml", &*kind("worksheet")),
    ];
    let members = [
        ("[Content_Types].xml", types(&parts)),
        (
            "_rels/.rels",
            relations("officeDocument", "xl/workbook.xml"),
        ),
        ("xl/workbook.xml", workbook.into_bytes()),
        (
            "xl/_rels/workbook.xml.rels",
            relations("worksheet", "worksheets/sheet1.xml"),
        ),
        ("xl/worksheets/sheet1.xml", sheet.into_bytes()),
    ];
    packaged(&members, &secret, "xlsx")
}

/// The archive; the secret is in its last member, a line an element.
fn packaged(members: &[(&str, Vec<u8>)], secret: &str, extension: &'static str) -> Body {
    let archive = zip(members, Method::Deflated);
    let lines = secret.lines();
    let mut secrets: Vec<_> = lines.map(|line| texts::content(line.to_owned())).collect();
    secrets.extend(
        archive
            .packed
            .last()
            .and_then(|packed| packed_secret(packed, OFFICE_HEAD_BYTES)),
    );
    Body {
        bytes: archive.bytes,
        secrets,
        extension,
    }
}

fn types(parts: &[(&str, &str)]) -> Vec<u8> {
    let parts: String = parts
        .iter()
        .map(|(name, kind)| format!("<Override PartName=\"{name}\" ContentType=\"{kind}\"/>"))
        .collect();
    format!(
        "{HEADER}<Types xmlns=\"{PACKAGE}/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/>{parts}</Types>"
    )
    .into_bytes()
}

fn relations(kind: &str, target: &str) -> Vec<u8> {
    format!(
        "{HEADER}<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/{kind}\" Target=\"{target}\"/></Relationships>"
    )
    .into_bytes()
}
