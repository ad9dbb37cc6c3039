//! Pictures: plain grey, with the secret in their metadata.

use miniz_oxide::deflate::compress_to_vec_zlib;

use crate::random::Random;
use crate::{Body, texts};

/// A grey JPEG of 16 by 16 pixels without metadata.
const GREY: &[u8] = include_bytes!("grey.jpg");
const SIDE_PIXELS: u32 = 16;

/// A photograph with a description and a comment in its EXIF data.
pub(crate) fn jpeg(banner: &str, random: &mut Random) -> Body {
    let secret = texts::secret(6, random);
    let description = format!("{banner}\n{secret}\0");
    let exif = exif(description.as_bytes());
    let (start, rest) = GREY.split_at_checked(2).unwrap_or_default();
    let length = u16::try_from(exif.len().saturating_add(2)).unwrap_or(u16::MAX);
    let mut bytes = start.to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(exif);
    bytes.extend(rest);
    Body {
        bytes,
        secrets: vec![texts::content(secret)],
        extension: "jpg",
    }
}

/// One tag: ImageDescription.
fn exif(description: &[u8]) -> Vec<u8> {
    let length = u32::try_from(description.len()).unwrap_or(u32::MAX);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x0e\0\x02".to_vec();
    exif.extend(length.to_be_bytes());
    // Its text is behind the only directory: 8 bytes of head, 2 of count, 12 of entry, 4 of link.
    exif.extend(26_u32.to_be_bytes());
    exif.extend([0; 4]);
    exif.extend(description);
    exif
}

/// A picture with a comment in a text chunk.
pub(crate) fn png(banner: &str, random: &mut Random) -> Body {
    let secret = texts::secret(6, random);
    let mut header = Vec::new();
    header.extend(SIDE_PIXELS.to_be_bytes());
    header.extend(SIDE_PIXELS.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    // Each row begins with its filter, none.
    let mut row = vec![0];
    row.extend([0xc8; 16]);
    let pixels = compress_to_vec_zlib(&row.repeat(16), 6);
    let text = format!("Comment\0{banner}\n{secret}");
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunk(*b"IHDR", &header));
    bytes.extend(chunk(*b"tEXt", text.as_bytes()));
    bytes.extend(chunk(*b"IDAT", &pixels));
    bytes.extend(chunk(*b"IEND", &[]));
    Body {
        bytes,
        secrets: vec![texts::content(secret)],
        extension: "png",
    }
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut named = kind.to_vec();
    named.extend(data);
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut chunk = length.to_be_bytes().to_vec();
    chunk.extend(&named);
    chunk.extend(crc32fast::hash(&named).to_be_bytes());
    chunk
}
