//! Executables that lie about themselves: facts as far as they go, in bounded time.

use unpack::{ReadError, Role, Source, Structure, identify};

use crate::samples::{corpus, given, given_as, limits};

#[test]
fn a_section_count_past_the_file_gives_the_sections_that_are_there() {
    let mut bytes = sample("pe/narrow");
    bytes[64 + 6..64 + 8].copy_from_slice(&[0xff, 0xff]);
    let (_, given) = given(&bytes);
    let facts = given.facts.expect("it is an executable still");
    assert_eq!(facts.structure, Structure::Pe);
    assert!(facts.sections.len() <= 96);
    assert_eq!(facts.entry_point, Some(512 + 0x10));
}

#[test]
fn section_headers_that_are_cut_off_are_a_trouble() {
    let bytes = sample("pe/narrow");
    let table = 64 + 24 + 224;
    let cut = bytes[..table + 50].to_vec();
    let format = identify(&cut).expect("memory can be read");
    let given = given_as(format, &cut, limits());
    assert_eq!(given.troubles.len(), 1);
    assert_eq!(given.troubles[0].text, "section headers end early");
    assert_eq!(given.facts.expect("partial").sections.len(), 1);
}

#[test]
fn imports_that_never_end_are_bounded() {
    let mut bytes = sample("pe/narrow");
    bytes.truncate(1536);
    // Every descriptor names the same library, whose thunks are all the same name.
    let begin = 1536usize;
    let mut table = Vec::new();
    for _ in 0..3_000 {
        for field in [0x3000u32, 0, 0, 0x2ff0, 0x3000] {
            table.extend(field.to_le_bytes());
        }
    }
    table.resize(1 << 20, 0);
    table[0xff0..0xff2].copy_from_slice(b"a\0");
    for thunk in table[0x1000..].chunks_exact_mut(4) {
        thunk.copy_from_slice(&0x2ff0u32.wrapping_sub(2).to_le_bytes());
    }
    bytes.extend(&table);
    let header = 64 + 24 + 224 + 40;
    bytes[header + 16..header + 20].copy_from_slice(&(1u32 << 20).to_le_bytes());
    bytes[header + 20..header + 24]
        .copy_from_slice(&u32::try_from(begin).expect("fits").to_le_bytes());
    bytes[64 + 24 + 96 + 12..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let (_, given) = given(&bytes);
    let text = given
        .facts
        .and_then(|facts| facts.import_text)
        .expect("imports");
    assert!(text.starts_with(b"a.a,a.a,"));
    assert!(text.len() <= 16_384 * 4, "{} bytes", text.len());
}

/// What sigtool 1.4.6 gives for these headers: alignment, places and sizes; offsets and sizes.
#[test]
fn sections_are_rounded_as_clamav_rounds_them() {
    type Pairs = [(u32, u32); 2];
    let cases: [(u32, Pairs, Pairs); 9] = [
        (
            512,
            [(512, 1000), (1024, 1500)],
            [(512, 1024), (1024, 1536)],
        ),
        (
            512,
            [(700, 1000), (1030, 1500)],
            [(512, 1024), (1024, 1536)],
        ),
        (1, [(512, 1000), (1024, 1500)], [(512, 1000), (1024, 1500)]),
        (0, [(512, 1000), (1024, 1500)], [(512, 1000), (1024, 1500)]),
        (16, [(512, 1000), (1024, 1500)], [(512, 1008), (1024, 1504)]),
        (32, [(700, 1000), (1024, 1500)], [(672, 1024), (1024, 1504)]),
        (
            1024,
            [(512, 1000), (1024, 1500)],
            [(512, 1024), (1024, 1536)],
        ),
        (1024, [(1024, 1000), (512, 0)], [(1024, 1024), (0, 0)]),
        (
            1024,
            [(1100, 1000), (2048, 1000)],
            [(1024, 1024), (2048, 1024)],
        ),
    ];
    for (alignment, headers, expected) in cases {
        let mut bytes = sample("pe/narrow");
        bytes.resize(4096, 0);
        bytes[64 + 24 + 36..][..4].copy_from_slice(&alignment.to_le_bytes());
        for (place, (offset, size)) in headers.into_iter().enumerate() {
            let header = 64 + 24 + 224 + 40 * place;
            bytes[header + 16..header + 20].copy_from_slice(&size.to_le_bytes());
            bytes[header + 20..header + 24].copy_from_slice(&offset.to_le_bytes());
        }
        let sections = given(&bytes).1.facts.expect("facts").sections;
        let rounded: Vec<(u64, u64)> = sections
            .iter()
            .map(|section| (section.raw_offset, section.raw_size_bytes))
            .collect();
        let expected: Vec<(u64, u64)> = expected
            .iter()
            .map(|(offset, size)| (u64::from(*offset), u64::from(*size)))
            .collect();
        assert_eq!(rounded, expected, "alignment {alignment}, {headers:?}");
    }
}

#[test]
fn a_certificate_after_the_sections_is_no_overlay() {
    let mut bytes = sample("pe/wide");
    let end = u32::try_from(bytes.len()).expect("fits");
    bytes.extend([0; 64]);
    let directory = 64 + 24 + 112 + 4 * 8;
    bytes[directory..directory + 4].copy_from_slice(&end.to_le_bytes());
    bytes[directory + 4..directory + 8].copy_from_slice(&64u32.to_le_bytes());
    assert_eq!(given(&bytes).1.facts.expect("facts").overlay_offset, None);
    bytes.extend(b"appended");
    assert_eq!(
        given(&bytes).1.facts.expect("facts").overlay_offset,
        Some(u64::from(end) + 64)
    );
}

#[test]
fn the_running_test_is_an_elf_file_without_an_overlay() {
    let own = std::env::current_exe().expect("the test has a file");
    let bytes = std::fs::read(own).expect("the test can read it");
    let (format, given) = given(&bytes);
    let facts = given.facts.expect("facts");
    assert_eq!((format, facts.structure), ("elf", Structure::Elf));
    let entry = facts.entry_point.expect("an entry point");
    assert!(facts.sections.iter().any(|section| {
        let end = section.raw_offset + section.raw_size_bytes;
        (section.raw_offset..end).contains(&entry)
    }));
    assert_eq!(facts.overlay_offset, None);
    assert!(given.troubles.is_empty());
}

fn sample(name: &str) -> Vec<u8> {
    corpus()
        .into_iter()
        .find(|sample| sample.name == name)
        .expect("the sample is there")
        .bytes
}

/// Zeros behind a header, of which only so much may be read at once.
struct Vast {
    header: Vec<u8>,
}

impl Source for Vast {
    fn size_bytes(&self) -> u64 {
        300 << 20
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        assert!(buffer.len() <= 1 << 20, "{} bytes at once", buffer.len());
        buffer.fill(0);
        let start = usize::try_from(offset)
            .expect("fits")
            .min(self.header.len());
        for (to, from) in buffer.iter_mut().zip(&self.header[start..]) {
            *to = *from;
        }
        Ok(buffer.len())
    }
}

#[test]
fn an_elf_table_of_absurd_rows_costs_no_memory() {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(64, 0);
    header[40..48].copy_from_slice(&64u64.to_le_bytes());
    header[58..60].copy_from_slice(&65_535u16.to_le_bytes());
    header[60..62].copy_from_slice(&4_096u16.to_le_bytes());
    // One section in the second row, to see that rows are found where they are.
    header.resize(64 + 65_535, 0);
    let mut row = [0; 64];
    row[24..32].copy_from_slice(&0x1234u64.to_le_bytes());
    header.extend(row);
    let source = Vast { header };
    let format = identify(&source).expect("memory can be read");
    let Role::Executable(facts) = format.role else {
        panic!("it is {}", format.name);
    };
    let sections = facts(&source).0.expect("facts").sections;
    assert_eq!(sections.len(), 4_096);
    assert_eq!(sections[1].raw_offset, 0x1234);
}
