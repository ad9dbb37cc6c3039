//! PDF files of one page: the page is packed, the title stands plain.

use miniz_oxide::deflate::compress_to_vec_zlib;

use crate::archive::{TEXT_HEAD_BYTES, packed_secret};
use crate::random::Random;
use crate::{Body, Secret, texts};

/// A PDF file.
pub(crate) fn pdf(banner: &str, random: &mut Random) -> Body {
    let secret = texts::secret(9, random);
    let title = random.line(5);
    let lines: String = [banner, texts::sentence(random)]
        .into_iter()
        .chain(secret.lines())
        .map(|line| format!("({line}) Tj T*\n"))
        .collect();
    let page = format!("BT /F1 8 Tf 40 780 Td 12 TL\n{lines}ET\n");
    let packed = compress_to_vec_zlib(page.as_bytes(), 6);
    let mut stream = format!(
        "<< /Length {} /Filter /FlateDecode >>\nstream\n",
        packed.len()
    )
    .into_bytes();
    stream.extend_from_slice(&packed);
    stream.extend_from_slice(b"\nendstream");
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_vec(),
        stream,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
        format!("<< /Title ({title}) >>").into_bytes(),
    ];
    let mut secrets: Vec<Secret> = secret
        .lines()
        .map(|line| texts::content(line.to_owned()))
        .collect();
    secrets.push(Secret {
        part: "title",
        bytes: title.into_bytes(),
    });
    secrets.extend(packed_secret(&packed, TEXT_HEAD_BYTES));
    Body {
        bytes: file(&objects),
        secrets,
        extension: "pdf",
    }
}

fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut table = String::from("0000000000 65535 f \n");
    for (object, number) in objects.iter().zip(1_u32..) {
        table.push_str(&format!("{:010} 00000 n \n", bytes.len()));
        bytes.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        bytes.extend_from_slice(object);
        bytes.extend_from_slice(b"\nendobj\n");
    }
    let count = objects.len().saturating_add(1);
    let start = bytes.len();
    let end = format!(
        "xref\n0 {count}\n{table}trailer\n<< /Size {count} /Root 1 0 R /Info 6 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    bytes.extend_from_slice(end.as_bytes());
    bytes
}
