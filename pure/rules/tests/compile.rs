//! Sources in, a pack out, and the pack read again.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use rules::pack::HashRole;
use rules::{Compiler, IgnoreList, Pack, describe_dropped, describe_rule, describe_sources};

const HDB: &[u8] = b"44d88612fea8a8f36de82e1278abb02f:68:Eicar\n\
44D88612FEA8A8F36DE82E1278ABB02F:69:Upper:1\n\
# comment\n\n\
44d88612fea8a8f36de82e1278abb02f:*:Any:73\n\
broken\n\
44d88612fea8a8f36de82e1278abb02f:68:Ignored\n";
const NDB: &[u8] = b"Body:0:*:6162636465*666768\n\
Exe:1:EP+0,15:4d5a9000\n\
Html:15:*:61626364\n\
Old:0:*:61626364:10:30\n\
Short:0:*:61??62\n";

fn pack_of(sources: &[(&str, &[u8])]) -> Vec<u8> {
    let mut ignores = IgnoreList::default();
    ignores.add("x.ign2", b"Ignored\n");
    let mut compiler = Compiler::new(ignores);
    for (label, text) in sources {
        compiler.add(label, text).unwrap();
    }
    let mut bytes = Vec::new();
    let length = compiler
        .finish::<()>(&mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
    assert_eq!(length, bytes.len() as u64);
    bytes
}

#[test]
fn every_line_is_compiled_or_counted_with_its_reason() {
    let bytes = pack_of(&[
        ("a.hdb", HDB),
        ("a.ndb", NDB),
        (
            "a.ldb",
            b"L;Engine:51-255,IconGroup1:X,Target:1;0;61626364\n",
        ),
    ]);
    let pack = Pack::open(&bytes).unwrap();
    assert_eq!((pack.signatures(), pack.dropped()), (5, 2));
    let rows = describe_sources(&pack);
    let row = |label: &str| rows.iter().find(|row| row.label == label).unwrap();
    assert_eq!(
        (
            row("a.hdb").lines,
            row("a.hdb").compiled,
            row("a.hdb").ignored
        ),
        (5, 3, 1)
    );
    assert_eq!((row("a.ndb").lines, row("a.ndb").compiled), (5, 2));
    assert_eq!(
        row("a.ndb").pending[0].why,
        "a target type of no known format"
    );
    assert_eq!(row("a.ndb").left_out[0].why, "for other engine versions");
    assert_eq!(row("a.ldb").pending[0].lines, 1);
    let mut dropped = Vec::new();
    describe_dropped(&pack, &mut |line| dropped.push(line));
    assert_eq!(
        dropped,
        [
            "a.hdb:6: fewer than three fields",
            "a.ndb:5: a part has no two static bytes in a row"
        ]
    );
}

#[test]
fn a_rule_shows_its_own_text_however_it_was_written() {
    let bytes = pack_of(&[("a.hdb", HDB), ("a.ndb", NDB)]);
    let pack = Pack::open(&bytes).unwrap();
    for line in [
        &HDB[..41],
        b"44D88612FEA8A8F36DE82E1278ABB02F:69:Upper:1",
        b"Body:0:*:6162636465*666768",
    ] {
        let texts = pack.rule_ids().map(|id| pack.rule_text(id).unwrap());
        assert!(
            texts.into_iter().any(|text| text == line),
            "{}",
            String::from_utf8_lossy(line)
        );
    }
    let mut lines = Vec::new();
    assert_eq!(describe_rule(&pack, "Any", &mut |line| lines.push(line)), 1);
    assert!(
        lines.contains(&"source  a.hdb, line 5".to_string()),
        "{lines:?}"
    );
    assert_eq!(describe_rule(&pack, "Ignored", &mut |_| {}), 0);
}

#[test]
fn hash_lookups_are_gated_by_size() {
    let bytes = pack_of(&[("a.hdb", b"44d88612fea8a8f36de82e1278abb02f:68:Eicar\n")]);
    let pack = Pack::open(&bytes).unwrap();
    let table = pack.hash_tables()[0];
    assert_eq!(table.role, HashRole::File);
    assert!(table.wants(68) && !table.wants(69));
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let sources: [(&str, &[u8]); 2] = [("a.hdb", HDB), ("a.ndb", NDB)];
    assert_eq!(pack_of(&sources), pack_of(&sources));
}

#[test]
fn every_truncation_and_every_flipped_byte_is_survived() {
    let bytes = pack_of(&[("a.hdb", HDB), ("a.ndb", NDB)]);
    for cut in (0..bytes.len()).step_by(7) {
        assert!(Pack::open(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    // Every byte of the frame and the small sections, and a sample of the large search tables.
    for at in (0..4096).chain((4096..bytes.len()).step_by(997)) {
        let mut damaged = bytes.clone();
        let Some(byte) = damaged.get_mut(at) else {
            break;
        };
        *byte ^= 0xff;
        let Ok(pack) = Pack::open(&damaged) else {
            continue;
        };
        for id in pack.rule_ids().take(64) {
            let _ = pack.rule_text(id);
        }
        for id in 0..64 {
            let _ = pack.body(id);
            let _ = pack.part(id);
        }
        let _ = describe_sources(&pack);
        describe_dropped(&pack, &mut |_| {});
        describe_rule(&pack, "Any", &mut |_| {});
    }
}

#[test]
fn passwords_come_in_the_order_of_their_lines() {
    let lines = b"one;Engine:81-255,Container:CL_TYPE_ZIP;0;infected\n\
        Ignored;Engine:81-255;0;never\n\
        two;Engine:81-255;1;c3bc\n\
        bad;Engine:81-255;1;c\n\
        rar;Engine:81-255,Container:CL_TYPE_RAR;0;x\n";
    let bytes = pack_of(&[("a.pwdb", lines)]);
    let pack = Pack::open(&bytes).unwrap();
    let passwords: Vec<&[u8]> = pack.passwords().collect();
    assert_eq!(passwords, [&b"infected"[..], b"\xc3\xbc"]);
    let row = &describe_sources(&pack)[0];
    assert_eq!((row.lines, row.compiled, row.ignored), (5, 2, 1));
    assert_eq!((row.pending.len(), row.dropped.len()), (1, 1));
    assert_eq!(pack.signatures(), 0);
}
