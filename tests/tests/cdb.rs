//! Rules about what containers say of their members, as the peer reads them: each field with the
//! value that a member has, with those beside it, and with ranges that just hold it or just miss
//! it; and expressions of names.

use acceptance::cli::{Scene, candor, run};
use acceptance::corpus::samples;
use acceptance::peer;
use acceptance::signatures::Numbers;

/// A member, as the peer's own log tells of it.
struct Told {
    sample: &'static str,
    container: &'static str,
    name: &'static str,
    packed_bytes: u64,
    size_bytes: u64,
    encrypted: u64,
    position: u64,
}

const fn told(
    sample: &'static str,
    container: &'static str,
    name: &'static str,
    numbers: [u64; 4],
) -> Told {
    let [packed_bytes, size_bytes, encrypted, position] = numbers;
    Told {
        sample,
        container,
        name,
        packed_bytes,
        size_bytes,
        encrypted,
        position,
    }
}

const TOLD: [Told; 26] = [
    told("zip/deflate", "ZIP", "a.txt", [258, 700, 0, 1]),
    told("zip/stored", "ZIP", "a.txt", [700, 700, 0, 1]),
    told("zip/bzip2", "ZIP", "a.txt", [279, 700, 0, 1]),
    told("zip/directory", "ZIP", "d/a", [700, 700, 0, 2]),
    told("zip/directory", "ZIP", "d/", [0, 0, 0, 1]),
    told("zip/encrypted", "ZIP", "a.txt", [270, 700, 1, 1]),
    told("zip/encrypted", "ZIP", "b.txt", [501, 1500, 0, 2]),
    told("zip/aes-128", "ZIP", "a.txt", [271, 700, 1, 1]),
    told("zip/lzma", "ZIP", "a.txt", [311, 700, 0, 1]),
    told("zip/streamed", "ZIP", "a.txt", [258, 700, 0, 1]),
    told("zip/wrong-checksum", "ZIP", "a.txt", [258, 700, 0, 1]),
    told("odf/odfpy", "ZIP", "content.xml", [178, 430, 0, 3]),
    told(
        "ooxml/openpyxl",
        "OOXML_XL",
        "xl/styles.xml",
        [593, 2550, 0, 5],
    ),
    told("7z/lzma", "7Z", "a.txt", [0, 700, 0, 0]),
    told("7z/whole", "7Z", "code.exe", [0, 2550, 0, 4]),
    told("7z/whole", "7Z", "empty", [0, 0, 0, 1]),
    told("7z/encrypted", "7Z", "a.txt", [0, 700, 1, 0]),
    told("cab/mszip", "MSCAB", "b.txt", [0, 1500, 0, 1]),
    told("cab/quantum", "MSCAB", "a", [0, 700, 0, 0]),
    told("tar/ustar", "POSIX_TAR", "d/b.txt", [1500, 1500, 0, 2]),
    told("tar/v7", "OLD_TAR", "d/b.txt", [1500, 1500, 0, 2]),
    told("cpio/newc", "CPIO_NEWC", "odd", [33, 33, 0, 4]),
    told("cpio/odc", "CPIO_ODC", "odd", [33, 33, 0, 4]),
    told("cpio/bin", "CPIO_OLD", "odd", [33, 33, 0, 4]),
    told("cpio/crc", "CPIO_CRC", "odd", [33, 33, 0, 4]),
    told("mail/multipart", "MHTML", "b.bin", [771, 771, 0, 0]),
];

/// The value, those beside it, and ranges around it.
fn variations(value: u64) -> Vec<String> {
    let below = value.saturating_sub(1);
    let above = value + 1;
    vec![
        "*".to_string(),
        value.to_string(),
        above.to_string(),
        below.to_string(),
        format!("{value}-{value}"),
        format!("{below}-{value}"),
        format!("{value}-{above}"),
        format!("{above}-{}", above + 9),
        format!("0-{below}"),
        format!("{above}-{below}"),
        String::new(),
    ]
}

fn escaped(name: &str) -> String {
    name.replace('.', "\\.")
}

/// All the lines for one member: each field varied, the others as they are or free.
fn lines(told: &Told, container_bytes: u64, out: &mut Vec<String>) {
    let exact = [
        format!("CL_TYPE_{}", told.container),
        container_bytes.to_string(),
        format!("^{}$", escaped(told.name)),
        told.packed_bytes.to_string(),
        told.size_bytes.to_string(),
        told.encrypted.to_string(),
        told.position.to_string(),
    ];
    let name = &exact[2];
    let free = ["*", "*", name, "*", "*", "*", "*"].map(str::to_string);
    let choices = [
        ["CL_TYPE_ANY", "CL_TYPE_RTF", "CL_TYPE_ISO9660", &exact[0]]
            .map(str::to_string)
            .to_vec(),
        match told.container.starts_with("OOXML") {
            // The peer looks into these once more, as if they were parts of another file.
            true => vec!["*".to_string(), container_bytes.to_string()],
            false => variations(container_bytes),
        },
        name_variations(told.name),
        variations(told.packed_bytes),
        variations(told.size_bytes),
        ["0", "1", "*"].map(str::to_string).to_vec(),
        variations(told.position),
    ];
    for base in [&exact, &free] {
        for (place, values) in choices.iter().enumerate() {
            for value in values {
                let mut fields = base.clone();
                fields[place].clone_from(value);
                let number = out.len();
                out.push(format!("Gen.{number}:{}:*:*", fields.join(":")));
            }
        }
    }
}

fn name_variations(name: &str) -> Vec<String> {
    let whole = escaped(name);
    let upper = whole.to_ascii_uppercase();
    let tail = &name[1..];
    vec![
        whole.clone(),
        upper.clone(),
        format!("(?i)^{upper}$"),
        format!("^{}$", escaped(tail)),
        format!("^.{}$", escaped(tail)),
        format!("^..{}$", escaped(tail)),
        format!("^[^{}]", &name[..1]),
        format!("(nothing|{whole})$"),
        format!("^({whole}){{2}}$"),
        format!("^({whole}){{1,2}}$"),
        "^[[.a.]-z]+[.]?[a-z]*$".to_string(),
        "\\.(txt|xml|bin)$".to_string(),
    ]
}

#[test]
fn each_field_means_what_it_means_to_the_peer() {
    if !peer::is_there("rules about containers against clamscan") {
        return;
    }
    let all = samples();
    let files = Scene::default();
    let mut every_line = Vec::new();
    for told in &TOLD {
        let sample = all.iter().find(|sample| sample.name == told.sample);
        let sample = sample.expect("the sample is in the corpus");
        let file = told.sample.replace('/', "-");
        files.write(format!("files/{file}"), &sample.bytes);
        lines(told, sample.bytes.len() as u64, &mut every_line);
    }
    let matches: usize = every_line
        .chunks(RULES_A_ROUND)
        .map(|some| same(some, &files))
        .sum();
    assert!(
        matches > 7_000,
        "only {matches} matches of {} rules",
        every_line.len()
    );
}

/// Fewer than the findings that one verdict holds.
const RULES_A_ROUND: usize = 60;

/// How many matches these rules have in these files, in which both agree.
fn same<T: AsRef<str>>(rules: &[T], files: &Scene) -> usize {
    let scene = Scene::default();
    let rules: Vec<&str> = rules.iter().map(AsRef::as_ref).collect();
    scene.write("db/a.cdb", rules.join("\n").as_bytes());
    peer::assert_same(&scene.at("db"), &files.at("files"))
}

/// Pieces of expressions; not every line of them is right. (The peer counts the ends in an
/// expression, but not how often a repetition repeats them: `${2}` never matches there.)
const PIECES: [&str; 28] = [
    "a", "b", "t", "x", ".", "\\.", "^", "$", "*", "+", "?", "(", ")", "|", "[ab]", "[^a]",
    "[a-t]", "[]a]", "{2}", "{1,2}", "{0,}", "txt", "a\\.", "(a|b)", "(x*)", "{", "[[.a.]b]",
    "\\(",
];

/// The peer refuses a database for one wrong line: those that we refuse are tried alone.
#[test]
fn expressions_match_where_the_peer_says() {
    if !peer::is_there("expressions of names against clamscan") {
        return;
    }
    let mut numbers = Numbers::new(11);
    let mut lines: Vec<String> = (0..2_000)
        .map(|number| {
            let count = 1 + numbers.below(5);
            let text: String = (0..count)
                .map(|_| *numbers.of(&PIECES.map(|piece| piece).each_ref()))
                .collect();
            format!("Ere.{number}:CL_TYPE_ZIP:*:{text}:*:*:*:*:*:*")
        })
        .collect();
    lines.retain(|line| !line.contains("${2}"));
    let scene = Scene::default();
    for sample in samples() {
        if ["zip/deflate", "zip/directory", "odf/odfpy"].contains(&sample.name.as_str()) {
            let name = sample.name.replace('/', "-");
            scene.write(format!("files/{name}"), &sample.bytes);
        }
    }
    scene.write("all/a.cdb", lines.join("\n").as_bytes());
    let refused = refused_lines(&scene);
    let is_refused = |place: usize| refused.contains(&(place + 1));
    let kept = lines.iter().enumerate();
    let kept: Vec<&str> = kept
        .filter(|(place, _)| !is_refused(*place))
        .map(|(_, line)| line.as_str())
        .collect();
    assert!(
        kept.len() > 500 && refused.len() > 200,
        "{} kept",
        kept.len()
    );
    let rounds = kept.chunks(RULES_A_ROUND);
    let matches: usize = rounds.map(|some| same(some, &scene)).sum();
    assert!(matches > 500, "only {matches} matches");
    for place in refused.iter().step_by(refused.len() / 40) {
        let line = &lines[place - 1];
        scene.write("one/a.cdb", line.as_bytes());
        let taken = std::process::Command::new("clamscan")
            .arg("--database")
            .arg(scene.at("one"))
            .arg(scene.at("files"))
            .output()
            .expect("clamscan starts");
        assert_eq!(taken.status.code(), Some(2), "the peer takes {line}");
    }
}

/// The numbers of the lines that `candor rules build` names as dropped.
fn refused_lines(scene: &Scene) -> Vec<usize> {
    let built = run(candor()
        .args(["rules", "build", "--strict", "-o"])
        .arg(scene.at("pack"))
        .arg(scene.at("all")));
    assert!(built.err.contains("no pack was written"), "{}", built.err);
    built
        .out
        .lines()
        .filter_map(|line| line.split_once("a.cdb:"))
        .filter_map(|(_, rest)| rest.split_once(':')?.0.parse().ok())
        .collect()
}

#[test]
fn the_old_kind_means_what_it_means_to_the_peer() {
    if !peer::is_there("rules about zip of the old kind against clamscan") {
        return;
    }
    let scene = Scene::default();
    let mut text = String::new();
    // What the peer does not unpack has no body there.
    let is_open = |told: &&Told| told.container == "ZIP" && told.sample != "zip/lzma";
    for told in TOLD.iter().filter(is_open) {
        let all = samples();
        let sample = all.iter().find(|sample| sample.name == told.sample);
        let file = told.sample.replace('/', "-");
        scene.write(
            format!("files/{file}"),
            &sample.expect("it is in the corpus").bytes,
        );
        let (real, packed, place) = (told.size_bytes, told.packed_bytes, told.position);
        let name = format!("^{}$", escaped(told.name));
        for (what, fields) in [
            (
                "Right",
                format!("{}:{name}:{real}:{packed}:*:8:{place}:*", told.encrypted),
            ),
            ("Free", format!("*:{name}:*:*:*:*:*:1")),
            (
                "Locked",
                format!("{}:{name}:*:*:*:*:*:*", 1 - told.encrypted),
            ),
            ("Real", format!("*:{name}:{}:*:*:*:*:*", real + 1)),
            ("Packed", format!("*:{name}:*:{}:*:*:*:*", packed + 1)),
            ("Place", format!("*:{name}:*:*:*:*:{}:*", place + 1)),
        ] {
            text += &format!("{file}.{what}:{fields}\n");
        }
    }
    scene.write("db/a.zmd", text);
    scene.write("db/a.sdb", "Body:0:*:616c7068612d\n");
    let matches = peer::assert_same(&scene.at("db"), &scene.at("files"));
    assert!(matches > 50, "only {matches} matches");
}

#[test]
fn an_archive_that_stays_closed_is_found_by_what_it_says_and_stays_incomplete() {
    let scene = Scene::default();
    scene.write(
        "db/a.cdb",
        b"Locked:CL_TYPE_ZIP:*:^a\\.txt$:*:700:1:1:*:*\nOther:CL_TYPE_7Z:*:*:*:*:*:*:*:*\n",
    );
    for sample in samples() {
        if sample.name == "zip/aes-256" {
            scene.write("files/aes.zip", &sample.bytes);
        }
    }
    let ran = run(candor()
        .args(["scan", "--json", "--db"])
        .arg(scene.at("db"))
        .arg(scene.at("files")));
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    let file = &ran.json()[0];
    assert_eq!(file["outcome"], "detected", "{file}");
    assert_eq!(file["incomplete"][0], "encrypted", "{file}");
    let finding = &file["findings"][0];
    assert_eq!(finding["name"], "Locked", "{file}");
    assert_eq!(finding["rule"]["kind"], "cdb", "{file}");
    assert_eq!(finding["rule"]["line"], 1, "{file}");
    assert_eq!(finding["member"][0], "a.txt", "{file}");
}

#[test]
fn ignored_lines_do_not_fire_and_a_rule_is_explained() {
    let scene = Scene::default();
    scene.write(
        "db/a.cdb",
        b"Gone:*:*:*:*:*:*:*:*:*\nStays:*:*:*:*:*:*:*:*:*\nWaits:CL_TYPE_RAR:*:*:*:*:*:*:*:*\n",
    );
    scene.write("db/a.ign2", b"Gone\n");
    for sample in samples() {
        if sample.name == "tar/ustar" {
            scene.write("files/a.tar", &sample.bytes);
        }
    }
    let found = peer::candor(&scene.at("db"), &scene.at("files"));
    assert_eq!(
        found.into_iter().map(|(_, name)| name).collect::<Vec<_>>(),
        ["Stays"]
    );
    let built = run(candor()
        .args(["rules", "build", "-o"])
        .arg(scene.at("pack"))
        .arg(scene.at("db")));
    assert_eq!(built.code, Some(0), "{}{}", built.out, built.err);
    let told = format!("{}{}", built.out, built.err);
    assert!(told.contains("not unpacked yet"), "{told}");
    let explained = run(candor()
        .args(["rules", "explain", "Stays", "--pack"])
        .arg(scene.at("pack")));
    assert!(
        explained.out.contains("cdb (what a container says"),
        "{}{}",
        explained.out,
        explained.err
    );
    assert!(
        explained.out.contains("text    Stays:*:*"),
        "{}",
        explained.out
    );
}
