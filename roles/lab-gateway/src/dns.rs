//! DNS messages (RFC 1035): every name is answered, by whichever resolver it was asked.
//!
//! One question a message, as everybody asks. What is no question is not answered, or with the
//! code that says why.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::names::Names;

/// A record that the plan wants answered instead of ours.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    /// In lower case, without the dot at its end.
    pub(crate) name: Vec<u8>,
    /// `TXT`, `A` or `AAAA`.
    pub(crate) kind: String,
    /// The text or the address.
    pub(crate) value: String,
}

/// What was asked and what is answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The name asked for, its labels joined by dots.
    pub(crate) name: Vec<u8>,
    /// The type asked for.
    pub(crate) kind: String,
    /// The answer, in words.
    pub(crate) answer: String,
    /// The message to send.
    pub(crate) message: Vec<u8>,
}

const HEADER_BYTES: usize = 12;
const NAME_BYTES_MAX: usize = 255;
const TIME_TO_LIVE_S: u32 = 300;
const INTERNET: u16 = 1;
/// What a text record holds where the plan says nothing.
const TEXT: &str = "v=spf1 -all";
/// Points at the name in the question.
const THE_NAME: [u8; 2] = [0xc0, 12];

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const OPT: u16 = 41;
const ANY: u16 = 255;

const NO_ERROR: u8 = 0;
const FORMAT_ERROR: u8 = 1;
const NOT_IMPLEMENTED: u8 = 4;

/// A question, as far as it could be read.
struct Question<'a> {
    message: &'a [u8],
    /// Where the question ends.
    end: usize,
    labels: Vec<&'a [u8]>,
    kind: u16,
    class: u16,
    has_options: bool,
}

/// Answers a message; `None` where it asks nothing that could be answered.
pub(crate) fn answer(message: &[u8], names: &mut Names, fixed: &[Fixed]) -> Option<Answered> {
    let flags = *message.get(2)?;
    let is_response = flags & 0x80 != 0;
    if is_response || message.len() < HEADER_BYTES {
        return None;
    }
    let operation = flags >> 3 & 0x0f;
    let question = question(message);
    let Some(question) = question.filter(|_| operation == 0) else {
        let code = if operation == 0 {
            FORMAT_ERROR
        } else {
            NOT_IMPLEMENTED
        };
        return Some(Answered {
            name: Vec::new(),
            kind: format!("operation {operation}"),
            answer: "refused".to_owned(),
            message: head(message, code, [0; 3]),
        });
    };
    let name = question.labels.join(&b'.');
    let records = records(&question, names, fixed);
    let words: Vec<&str> = records.iter().map(|record| record.words.as_str()).collect();
    let counts = [
        1,
        records.len().try_into().ok()?,
        u16::from(question.has_options),
    ];
    let mut reply = head(message, NO_ERROR, counts);
    reply.extend(message.get(HEADER_BYTES..question.end)?);
    for record in &records {
        record.write(&mut reply);
    }
    if question.has_options {
        // No options of ours; datagrams may have 1232 bytes, as everybody agreed on.
        reply.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    }
    Some(Answered {
        name,
        kind: kind_name(question.kind),
        answer: if words.is_empty() {
            "no such record".to_owned()
        } else {
            words.join(" ")
        },
        message: reply,
    })
}

fn question(message: &[u8]) -> Option<Question<'_>> {
    let questions = word(message, 4)?;
    if questions != 1 {
        return None;
    }
    let mut labels = Vec::new();
    let mut place = HEADER_BYTES;
    loop {
        let length = usize::from(*message.get(place)?);
        place += 1;
        if length == 0 {
            break;
        }
        // Compression has nothing to point at in a question.
        if length > 63 || place - HEADER_BYTES + length > NAME_BYTES_MAX {
            return None;
        }
        labels.push(message.get(place..place + length)?);
        place += length;
    }
    let kind = word(message, place)?;
    let class = word(message, place + 2)?;
    let end = place + 4;
    let records = message.get(end..)?;
    // Options come alone in practice: an empty name, then the type.
    let has_options =
        word(message, 10)? > 0 && records.first() == Some(&0) && word(records, 1) == Some(OPT);
    Some(Question {
        message,
        end,
        labels,
        kind,
        class,
        has_options,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([*pair.first()?, *pair.last()?]))
}

/// A header with the caller's number, without the question.
fn head(message: &[u8], code: u8, [questions, answers, more]: [u16; 3]) -> Vec<u8> {
    let mut reply = Vec::with_capacity(512);
    reply.extend(message.get(..2).unwrap_or(&[0, 0]));
    let flags = message.get(2).copied().unwrap_or(0);
    // An authoritative response, recursion as wished and available.
    reply.extend([0x84 | flags & 0x79, 0x80 | code]);
    for count in [questions, answers, 0, more] {
        reply.extend(count.to_be_bytes());
    }
    reply
}

/// One record about the name in the question.
struct Record {
    kind: u16,
    data: Vec<u8>,
    words: String,
}

impl Record {
    fn write(&self, into: &mut Vec<u8>) {
        into.extend(THE_NAME);
        into.extend(self.kind.to_be_bytes());
        into.extend(INTERNET.to_be_bytes());
        into.extend(TIME_TO_LIVE_S.to_be_bytes());
        into.extend(u16::try_from(self.data.len()).unwrap_or(0).to_be_bytes());
        into.extend(&self.data);
    }

    fn version_4(address: Ipv4Addr) -> Self {
        Self {
            kind: A,
            data: address.octets().to_vec(),
            words: address.to_string(),
        }
    }

    fn version_6(address: Ipv6Addr) -> Self {
        Self {
            kind: AAAA,
            data: address.octets().to_vec(),
            words: address.to_string(),
        }
    }

    /// A text, in strings of up to 255 bytes.
    fn text(text: &str) -> Self {
        let mut data = Vec::new();
        for part in text.as_bytes().chunks(255) {
            data.push(u8::try_from(part.len()).unwrap_or(0));
            data.extend(part);
        }
        Self {
            kind: TXT,
            data,
            words: format!("{text:?}"),
        }
    }

    /// A record that ends with a name: `front`, then a label before the name in the question.
    fn leading(kind: u16, front: &[u8], label: &str) -> Self {
        let mut data = front.to_vec();
        if !label.is_empty() {
            data.push(u8::try_from(label.len()).unwrap_or(0));
            data.extend(label.as_bytes());
        }
        data.extend(THE_NAME);
        Self {
            kind,
            data,
            words: format!("{label}.").trim_start_matches('.').to_owned() + "(the name)",
        }
    }
}

fn records(question: &Question<'_>, names: &mut Names, fixed: &[Fixed]) -> Vec<Record> {
    if question.class != INTERNET && question.class != ANY {
        return Vec::new();
    }
    let name = question.labels.join(&b'.').to_ascii_lowercase();
    let wanted = kind_name(question.kind);
    let fixed: Vec<Record> = fixed
        .iter()
        .filter(|fixed| fixed.name == name && fixed.kind == wanted)
        .filter_map(fixed_record)
        .collect();
    if !fixed.is_empty() {
        return fixed;
    }
    match question.kind {
        A => vec![Record::version_4(names.version_4(&name))],
        AAAA => vec![Record::version_6(names.version_6(&name))],
        ANY => vec![
            Record::version_4(names.version_4(&name)),
            Record::version_6(names.version_6(&name)),
        ],
        TXT => vec![Record::text(TEXT)],
        MX if fits(question, 5) => vec![Record::leading(MX, &[0, 10], "mail")],
        NS if fits(question, 3) => vec![Record::leading(NS, &[], "ns")],
        SOA if fits(question, 3) => vec![start_of_authority()],
        SRV => vec![service(&name, names)],
        PTR => pointer(&name, names).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Whether a label of this length, with its own, fits before the name.
fn fits(question: &Question<'_>, more: usize) -> bool {
    question.end - HEADER_BYTES - 4 + more <= NAME_BYTES_MAX && !question.message.is_empty()
}

fn fixed_record(fixed: &Fixed) -> Option<Record> {
    match fixed.kind.as_str() {
        "A" => Some(Record::version_4(fixed.value.parse().ok()?)),
        "AAAA" => Some(Record::version_6(fixed.value.parse().ok()?)),
        "TXT" => Some(Record::text(&fixed.value)),
        _ => None,
    }
}

fn start_of_authority() -> Record {
    let mut record = Record::leading(SOA, &[], "ns");
    record.data.extend(b"\x0ahostmaster");
    record.data.extend(THE_NAME);
    for number in [1, 3600, 600, 86_400, TIME_TO_LIVE_S] {
        record.data.extend(u32::to_be_bytes(number));
    }
    record
}

/// The service is on the host that the name is about, at the port that is usual for it.
fn service(name: &[u8], names: &mut Names) -> Record {
    const USUAL: &[(&[u8], u16)] = &[
        (b"_http", 80),
        (b"_imap", 143),
        (b"_imaps", 993),
        (b"_kerberos", 88),
        (b"_ldap", 389),
        (b"_sip", 5060),
        (b"_submission", 587),
        (b"_xmpp-client", 5222),
    ];
    let labels: Vec<&[u8]> = name.split(|byte| *byte == b'.').collect();
    let first = labels.first().copied().unwrap_or_default();
    let port = USUAL.iter().find(|(usual, _)| *usual == first);
    let port = port.map_or(443, |(_, port)| *port);
    let host: Vec<&[u8]> = labels
        .iter()
        .copied()
        .skip_while(|label| label.first() == Some(&b'_'))
        .collect();
    names.version_4(&host.join(&b'.'));
    let mut data = vec![0, 0, 0, 0];
    data.extend(port.to_be_bytes());
    data.extend(encoded(&host));
    Record {
        kind: SRV,
        data,
        words: format!("{}:{port}", String::from_utf8_lossy(&host.join(&b'.'))),
    }
}

/// The name of an address: the one that it was given for, else one of the enclosure's.
fn pointer(name: &[u8], names: &Names) -> Option<Record> {
    let address = reversed(name)?;
    let known = names.of(address);
    let made = format!(
        "{}.unnamed.example",
        address.to_string().replace(['.', ':'], "-")
    );
    let found = known.map_or_else(|| made.into_bytes(), <[u8]>::to_vec);
    let labels: Vec<&[u8]> = found.split(|byte| *byte == b'.').collect();
    Some(Record {
        kind: PTR,
        data: encoded(&labels),
        words: String::from_utf8_lossy(&found).into_owned(),
    })
}

fn reversed(name: &[u8]) -> Option<IpAddr> {
    let name = std::str::from_utf8(name).ok()?;
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = digits.rsplit('.').collect();
        return parts.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let digits: String = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    let number = (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok())??;
    Some(IpAddr::V6(Ipv6Addr::from(number)))
}

/// A whole name; the root where it has no labels.
fn encoded(labels: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::new();
    for label in labels
        .iter()
        .filter(|label| !label.is_empty() && label.len() <= 63)
    {
        data.push(u8::try_from(label.len()).unwrap_or(0));
        data.extend(*label);
    }
    data.push(0);
    data
}

fn kind_name(kind: u16) -> String {
    let name = match kind {
        A => "A",
        NS => "NS",
        5 => "CNAME",
        SOA => "SOA",
        PTR => "PTR",
        MX => "MX",
        TXT => "TXT",
        AAAA => "AAAA",
        SRV => "SRV",
        35 => "NAPTR",
        43 => "DS",
        48 => "DNSKEY",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        ANY => "ANY",
        257 => "CAA",
        other => return format!("TYPE{other}"),
    };
    name.to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
        message.extend(encoded(&labels));
        message.extend(kind.to_be_bytes());
        message.extend(INTERNET.to_be_bytes());
        message
    }

    fn asked(name: &str, kind: u16) -> Answered {
        answer(&query(name, kind), &mut Names::default(), &[]).unwrap()
    }

    #[test]
    fn every_name_has_an_address_in_either_case() {
        let lower = asked("a.example", A);
        assert_eq!(
            (lower.name.as_slice(), lower.kind.as_str()),
            (&b"a.example"[..], "A")
        );
        assert_eq!(lower.answer, asked("A.Example", A).answer);
        assert!(lower.answer.starts_with("198."), "{}", lower.answer);
        assert!(asked("a.example", AAAA).answer.starts_with("fdca:"));
        assert_eq!(&lower.message[..4], &[0xab, 0xcd, 0x85, 0x80]);
        assert_eq!(&lower.message[6..8], &[0, 1]);
    }

    #[test]
    fn what_has_no_record_is_said_to_have_none() {
        let answered = asked("a.example", 65);
        assert_eq!(
            (answered.kind.as_str(), answered.answer.as_str()),
            ("HTTPS", "no such record")
        );
        assert_eq!(&answered.message[6..8], &[0, 0]);
    }

    #[test]
    fn an_address_leads_back_to_its_name() {
        let mut names = Names::default();
        let [a, b, c, d] = names.version_4(b"a.example").octets();
        let back = query(&format!("{d}.{c}.{b}.{a}.in-addr.arpa"), PTR);
        assert_eq!(answer(&back, &mut names, &[]).unwrap().answer, "a.example");
        let unknown = query("2.0.0.10.in-addr.arpa", PTR);
        let unknown = answer(&unknown, &mut names, &[]).unwrap();
        assert_eq!(unknown.answer, "10-0-0-2.unnamed.example");
    }

    #[test]
    fn the_plan_has_the_first_word() {
        let fixed = Fixed {
            name: b"current.cvd.example".to_vec(),
            kind: "TXT".to_owned(),
            value: "1.2.3:62".to_owned(),
        };
        let query = query("Current.CVD.example", TXT);
        let answered = answer(&query, &mut Names::default(), &[fixed]).unwrap();
        assert_eq!(answered.answer, "\"1.2.3:62\"");
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_of_a_question_is_trouble() {
        for kind in [A, TXT, MX, SRV, PTR, SOA, ANY, 65] {
            let query = query("_ldap._tcp.a.example", kind);
            for length in 0..query.len() {
                let _ = answer(&query[..length], &mut Names::default(), &[]);
            }
            for place in 0..query.len() {
                for bit in 0..8 {
                    let mut damaged = query.clone();
                    damaged[place] ^= 1 << bit;
                    let _ = answer(&damaged, &mut Names::default(), &[]);
                }
            }
        }
    }

    #[test]
    fn answers_are_not_answered() {
        let mut message = query("a.example", A);
        message[2] |= 0x80;
        assert_eq!(answer(&message, &mut Names::default(), &[]), None);
    }
}
