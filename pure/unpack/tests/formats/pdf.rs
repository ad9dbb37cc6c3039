//! PDF: what other tools read in the same documents, documents that are made to cost, and files
//! that are documents beside something else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use miniz_oxide::deflate::compress_to_vec_zlib;
use proto::{Budget, Limits, Reason, Unlimited};
use unpack::identify_beside;
use unpack::{Content, Flow, Member, Members, ReadError, Role, Source, Trouble, identify};

use crate::samples::{Given, corpus, given, given_as, limits};

/// Documents that other packages bring.
const FOLDERS: [&str; 3] = [
    "/usr/share/clamav-testfiles",
    "/usr/share/doc/shared-mime-info",
    "/usr/share/doc/libtasn1-doc",
];
/// What a document that is made to cost may take here, in a build that is not tuned.
const SECONDS_MAX: f64 = 10.0;

#[test]
fn the_usual_document_has_the_program() {
    let path = Path::new(FOLDERS[0]).join("clam.pdf");
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: {} is not installed", path.display());
        return;
    };
    let (format, given) = given(&bytes);
    assert_eq!(format, "pdf");
    assert_eq!(given.troubles, []);
    let program = |(_, bytes): &&(Vec<u8>, Vec<u8>)| bytes.starts_with(b"MZ");
    let found = given.members.iter().find(program).expect("the program");
    assert_eq!(found.1.len(), 544);
}

/// qpdf writes each document again, without filters or encryption: whatever stream it has then,
/// the document must have given.
#[test]
fn every_stream_that_qpdf_sees_is_a_member() {
    let folder = std::env::temp_dir().join(format!("qpdf-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut compared = 0;
    for (name, bytes) in documents() {
        let Some(plain) = through_qpdf(&folder, &bytes) else {
            println!("skipped: qpdf is not installed");
            return;
        };
        let streams = |bytes: &[u8]| -> BTreeSet<Vec<u8>> {
            let members = given(bytes).1.members.into_iter();
            let is_stream = |name: &[u8]| name != b"(strings)";
            members
                .filter_map(|(name, bytes)| is_stream(&name).then_some(bytes))
                .collect()
        };
        let ours = streams(&bytes);
        let theirs = streams(&plain);
        let missed = theirs.difference(&ours).count();
        assert_eq!(missed, 0, "{name}: {missed} of {}", theirs.len());
        compared += theirs.len();
    }
    std::fs::remove_dir_all(&folder).expect("its own folder");
    assert!(compared > 50, "only {compared} streams");
}

#[test]
fn a_document_that_is_read_in_pieces_gives_the_same() {
    for sample in corpus() {
        if !sample.name.starts_with("pdf/") {
            continue;
        }
        let whole = given(&sample.bytes).1;
        let mut bytes = vec![b' '; 200_000];
        bytes[..8].copy_from_slice(b"%PDF-1.7");
        bytes.extend(&sample.bytes);
        let far = remote(&bytes);
        assert_eq!(far.members, whole.members, "{}", sample.name);
        let words = |troubles: &[Trouble]| -> Vec<String> {
            troubles
                .iter()
                .map(|trouble| trouble.text.clone())
                .collect()
        };
        assert_eq!(
            words(&far.troubles),
            words(&whole.troubles),
            "{}",
            sample.name
        );
    }
}

#[test]
fn filters_over_filters_end_by_ratio() {
    let mut packed = vec![0; 600 << 20];
    for _ in 0..3 {
        packed = compress_to_vec_zlib(&packed, 6);
    }
    assert!(packed.len() < 5_000);
    let bytes = document(&[(b"/Filter[/Fl/Fl/Fl]", &packed)]);
    assert_reason(&costly(&bytes), Reason::LimitRatio);
    // The same where nothing comes out at the end: white space is no hex.
    let blank = compress_to_vec_zlib(&vec![b' '; 7 << 20], 6);
    let stream = (b"/Filter[/Fl/AHx]".as_slice(), blank.as_slice());
    let bytes = document(&vec![stream; 100]);
    for (bytes_max, ratio_max, reason) in [
        (64 << 20, 1_000, Reason::LimitBytes),
        (2 << 30, 50, Reason::LimitRatio),
    ] {
        let few = Limits {
            bytes_max,
            ratio_max,
            ..Limits::default()
        };
        let format = identify(&bytes).expect("memory can be read");
        assert_reason(&given_as(format, &bytes, few), reason);
    }
}

#[test]
fn small_objects_are_no_members() {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    for number in 0..100_000 {
        bytes.extend(format!("{number} 0 obj {number} endobj\n").as_bytes());
    }
    bytes.extend(b"trailer<<>>\n%%EOF");
    let given = costly(&bytes);
    assert_eq!((given.members.len(), given.troubles.len()), (0, 0));
}

#[test]
fn what_lies_inside_itself_ends_by_work() {
    // Each stream has all the later ones in it; each string, each number without an end too.
    let begin = b"7 0 obj<</Length 9>>stream\n".repeat(20_000);
    let nested = [b"%PDF-1.4\n".as_slice(), &begin, b"endstream %%EOF"].concat();
    assert_reason(&costly(&nested), Reason::LimitWork);
    for part in [
        &b"1 0 obj("[..],
        b"1 0 obj<1",
        b"1 0 obj<</JS(",
        b"trailer(",
        b"1 0 obj %",
    ] {
        let bytes = [b"%PDF-1.4\n".as_slice(), &part.repeat(40_000)].concat();
        assert_reason(&costly(&bytes), Reason::LimitWork);
    }
}

#[test]
fn floods_of_words_cost_what_they_are() {
    let parts: [&[u8]; 10] = [
        b"obj",
        b" obj",
        b"1 0 obj",
        b"endstream",
        b"stream",
        b"%%EOF",
        b"1 0 obj<<>>stream\n",
        b"1 0 obj<</JS 1 0 R/EF<</F 1 0 R>>>>",
        b"1 0 obj<</Length 1 0 R/Filter[1 0 R 1 0 R]>>stream\n",
        b"trailer<</Encrypt 1 0 R>>",
    ];
    for part in parts {
        let bytes = [b"%PDF-1.4\n".as_slice(), &part.repeat(20_000)].concat();
        costly(&bytes);
    }
    let keys = b"/EF<<>>".repeat(20_000);
    costly(&[b"%PDF-1.4\n1 0 obj<<".as_slice(), &keys, b">>endobj"].concat());
    let wide = b"/DecodeParms<</Predictor 12/Columns 900000>>/Filter/Fl";
    let row = compress_to_vec_zlib(b"\x02abc", 1);
    costly(&document(&vec![(wide.as_slice(), row.as_slice()); 5_000]));
}

#[test]
fn tables_of_objects_stay_within_the_memory() {
    let bytes = [
        b"%PDF-1.4\n".as_slice(),
        &b"1 0 obj 1 endobj ".repeat(100_000),
    ]
    .concat();
    let few = Limits {
        memory_bytes_max: 1 << 20,
        ..limits()
    };
    let format = identify(&bytes).expect("memory can be read");
    assert_reason(&given_as(format, &bytes, few), Reason::LimitMemory);
}

#[test]
fn a_text_that_speaks_of_documents_alarms_nobody() {
    let text = b"if head.startswith(b'%PDF-'):\n    return 'pdf'\n";
    assert_eq!(given(text).1.troubles, []);
    let binary = b"\x01\x02 %PDF-1.4\n";
    assert_reason(&given(binary).1, Reason::Malformed);
}

#[test]
fn a_document_that_is_something_else_too_is_seen_as_both() {
    let sample = |name: &str| {
        let all = corpus().into_iter();
        all.into_iter()
            .find(|sample| sample.name == name)
            .expect("a sample")
            .bytes
    };
    let (pdf, zip) = (sample("pdf/plain"), sample("zip/deflate"));
    let both = [pdf.as_slice(), &zip].concat();
    assert_eq!(views(&both), ["pdf", "zip"]);
    // A tar, the first member of which is named for a document.
    let mut tar = sample("tar/ustar");
    tar[..100].fill(0);
    tar[..8].copy_from_slice(b"%PDF-1.4");
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(views(&[tar.as_slice(), &pdf[9..]].concat()), ["pdf", "tar"]);
    // One that only has a document as its first member is a tar, and nothing else.
    let mut tar = sample("tar/ustar");
    tar[512..520].copy_from_slice(b"%PDF-1.4");
    assert_eq!(views(&tar), ["tar"]);
    assert_eq!(views(&pdf), ["pdf"]);
}

fn views(bytes: &[u8]) -> Vec<&'static str> {
    let bytes = bytes.to_vec();
    let format = identify(&bytes).expect("memory can be read");
    let mut views = vec![format.name];
    if format.leaves_gaps() {
        let beside = identify_beside(&bytes, format).expect("memory can be read");
        views.extend(beside.iter().map(|format| format.name));
    }
    views
}

fn documents() -> Vec<(String, Vec<u8>)> {
    let mut documents: Vec<(String, Vec<u8>)> = corpus()
        .into_iter()
        .filter(|sample| sample.name.starts_with("pdf/"))
        // Those which no key opens, and those in which qpdf takes the other way.
        .filter(|sample| {
            !sample.name.contains("password") && !sample.name.contains("other-handler")
        })
        .map(|sample| (sample.name, sample.bytes))
        .collect();
    for folder in FOLDERS {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.extension().is_some_and(|extension| extension == "pdf") {
                let bytes = std::fs::read(&path).expect("a document");
                documents.push((path.display().to_string(), bytes));
            }
        }
    }
    documents
}

fn through_qpdf(folder: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
    let (from, to) = (folder.join("from.pdf"), folder.join("to.pdf"));
    std::fs::write(&from, bytes).expect("a file");
    std::fs::write(&to, b"").expect("a file");
    let options = [
        "--decrypt",
        "--stream-data=uncompress",
        "--decode-level=specialized",
        "--object-streams=disable",
        "--normalize-content=n",
    ];
    let command = Command::new("qpdf")
        .args(options)
        .args([&from, &to])
        .output();
    // Damage makes it fail, with whatever it wrote.
    command.ok()?;
    std::fs::read(&to).ok()
}

/// Unpacks what is made to cost, with the usual limits but no more than a test's memory.
fn costly(bytes: &[u8]) -> Given {
    let bytes = bytes.to_vec();
    let usual = Limits {
        memory_bytes_max: 128 << 20,
        ..Limits::default()
    };
    let format = identify(&bytes).expect("memory can be read");
    assert_eq!(format.name, "pdf");
    let begun = Instant::now();
    let given = given_as(format, &bytes, usual);
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds:.2} s for {} bytes", bytes.len());
    assert!(
        seconds < SECONDS_MAX,
        "{seconds} s for {} bytes",
        bytes.len()
    );
    given
}

fn assert_reason(given: &Given, reason: Reason) {
    let found = given
        .troubles
        .iter()
        .any(|trouble| trouble.reason == reason);
    assert!(found, "{reason:?} is not among {:?}", given.troubles);
}

fn document(streams: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    for (number, (dictionary, data)) in streams.iter().enumerate() {
        bytes.extend(format!("{} 0 obj<</Length {}", number + 1, data.len()).as_bytes());
        bytes.extend([*dictionary, b">>stream\n", *data, b"\nendstream endobj\n"].concat());
    }
    bytes.extend(b"trailer<<>>\n%%EOF\n");
    bytes
}

/// Bytes that are not at hand as a whole, as those of a large file.
struct Remote<'a>(&'a [u8]);

impl Source for Remote<'_> {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.0.read_at(offset, buffer)
    }
}

#[derive(Default)]
struct Collected<'a> {
    source: &'a [u8],
    members: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Members for Collected<'_> {
    fn member(&mut self, member: Member<'_>, _: &mut Budget) -> Flow {
        let bytes = match member.content {
            Content::Bytes(bytes) => bytes,
            Content::Range { offset, size_bytes } => {
                let begin = usize::try_from(offset).expect("fits");
                &self.source[begin..][..usize::try_from(size_bytes).expect("fits")]
            }
        };
        self.members.push((member.name.to_vec(), bytes.to_vec()));
        Flow::Continue
    }

    fn passwords(&self) -> &[&[u8]] {
        &[]
    }
}

fn remote(bytes: &[u8]) -> Given {
    let source = Remote(bytes);
    let format = identify(&source).expect("memory can be read");
    let Role::Container(unpack) = format.role else {
        unreachable!("a document is a container")
    };
    let mut budget = Budget::new(limits(), Unlimited::clock_ms);
    let mut collected = Collected {
        source: bytes,
        members: Vec::new(),
    };
    let troubles = unpack(&source, &mut budget, &mut collected);
    Given {
        members: collected.members,
        troubles,
        facts: None,
    }
}
