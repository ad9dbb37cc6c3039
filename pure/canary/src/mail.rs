//! Mails: a secret in the text, and another in the attachment.

use crate::random::Random;
use crate::{Body, base64, office, texts};

/// A mail with a Word document attached.
pub(crate) fn eml(banner: &str, random: &mut Random) -> Body {
    let secret = texts::secret(5, random);
    let subject = random.line(4);
    let attached = office::docx(banner, random);
    let letters = base64::lines(&attached.bytes, 76).join("\r\n");
    let sentence = texts::sentence(random);
    let text = secret.replace('\n', "\r\n");
    let kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let bytes = format!(
        "From: Alice Example <alice@example.com>\r\nTo: Bob Example <bob@example.com>\r\nSubject: {subject}\r\nDate: Mon, 01 Jan 2024 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"next-part\"\r\n\r\n--next-part\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{banner}\r\n\r\n{sentence}\r\n{text}\r\n--next-part\r\nContent-Type: {kind}; name=\"note.docx\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"note.docx\"\r\n\r\n{letters}\r\n--next-part--\r\n"
    );
    let mut secrets: Vec<_> = secret
        .lines()
        .map(|line| texts::content(line.to_owned()))
        .collect();
    secrets.push(texts::content(subject));
    secrets.extend(attached.secrets);
    Body {
        bytes: bytes.into_bytes(),
        secrets,
        extension: "eml",
    }
}
