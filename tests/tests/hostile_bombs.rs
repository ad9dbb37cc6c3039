//! Files made to cost: each ends by a named limit, in time, within the memory that was allowed.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use acceptance::archives::{
    Header, Method, WINDOW_128_KIB, WINDOW_240_MIB, Zip, gzip, gzip_stored, local_header,
    tar_member, zstd_zeros,
};
use acceptance::cli::{MARKER, Scene};
use acceptance::outcome::{Said, said};
use acceptance::quine::gzip_quine;
use acceptance::watch::{Watched, watch};

/// What a worker may hold beside `--max-memory`: the engine's tables, windows and buffers.
const RESERVE_BYTES: u64 = 128 << 20;
/// No option makes a scan go deeper.
const DEPTH_MAX: u64 = 64;
const GIB: u64 = 1 << 30;

#[test]
fn the_bounds_are_those_that_the_manual_states() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
    let text = fs::read_to_string(manual).unwrap();
    let words = format!("`--max-memory` and {} MiB beside it", RESERVE_BYTES >> 20);
    assert!(text.contains(&words), "{words:?} is not in {manual}");
    let words = format!("more than {DEPTH_MAX} containers");
    assert!(text.contains(&words), "{words:?} is not in {manual}");
}

/// Scans one file with these options; fails if it takes longer than that.
fn scan(scene: &Scene, file: &Path, options: &[&str], within_s: u64) -> (Said, Watched) {
    let mut scan = scene.scan();
    scan.arg("--json").args(options).arg(file);
    let watched = watch(&mut scan, Duration::from_secs(within_s));
    let name = file.file_name().unwrap().to_str().unwrap();
    let said = said(&watched.ran).remove(name).unwrap();
    println!(
        "{name} {options:?}: {} {:?} in {:.1} s, worker {} KiB of its own",
        said.outcome,
        said.incomplete,
        watched.elapsed.as_secs_f64(),
        watched.peak("candor-worker").anonymous_kib,
    );
    (said, watched)
}

/// Fails where a worker held more than its limit and the fixed reserve.
fn assert_memory(watched: &Watched, max_memory_bytes: u64) {
    let peak = watched.peak("candor-worker");
    let most_kib = (max_memory_bytes + RESERVE_BYTES) >> 10;
    assert!(
        peak.anonymous_kib <= most_kib,
        "a worker held {} KiB of {most_kib}",
        peak.anonymous_kib
    );
    let own = watched.peak("candor");
    assert!(own.anonymous_kib < 64 << 10, "candor held {own:?}");
}

/// A stream from a program, repeated: the tools unpack the whole as one.
fn packed_zeros(program: &str, piece_bytes: u64, times: u64) -> Option<Vec<u8>> {
    let zeros = tempfile::tempfile().unwrap();
    zeros.set_len(piece_bytes).unwrap();
    let packed = Command::new(program)
        .args(["-9", "-c"])
        .stdin(Stdio::from(zeros))
        .output();
    match packed {
        Ok(packed) if packed.status.success() => {
            Some(packed.stdout.repeat(usize::try_from(times).unwrap()))
        }
        _ => {
            println!("skipped: {program} is not installed");
            None
        }
    }
}

#[test]
fn five_gibibytes_of_zeros_end_by_ratio_in_every_compression() {
    let scene = Scene::default();
    let piece = gzip(&vec![0; 64 << 20]);
    let mut bombs = vec![
        ("zeros.gz", piece.repeat(80)),
        ("zeros.zst", zstd_zeros(5 * GIB, WINDOW_128_KIB)),
    ];
    bombs.extend(packed_zeros("xz", 64 << 20, 80).map(|bytes| ("zeros.xz", bytes)));
    bombs.extend(packed_zeros("bzip2", 64 << 20, 80).map(|bytes| ("zeros.bz2", bytes)));
    for (name, bytes) in bombs {
        let file = scene.write(name, &bytes);
        let (said, watched) = scan(&scene, &file, &[], 30);
        assert_eq!(said.outcome, "incomplete", "{}", said.line);
        assert!(
            said.names("limit-ratio") || said.names("limit-memory"),
            "{}",
            said.line
        );
        assert_memory(&watched, 256 << 20);
    }
}

#[test]
fn a_bomb_that_may_have_any_ratio_ends_by_memory() {
    let scene = Scene::default();
    let file = scene.write("zeros.zst", zstd_zeros(5 * GIB, WINDOW_128_KIB));
    for (option, bytes) in [("16M", 16 << 20), ("256M", 256 << 20)] {
        let options = ["--max-ratio", "1000000000", "--max-memory", option];
        let (said, watched) = scan(&scene, &file, &options, 60);
        said.assert_incomplete("limit-memory");
        assert_memory(&watched, bytes);
    }
}

#[test]
fn a_window_that_grows_into_the_memory_limit_kills_no_worker() {
    // The window fits the limit; what a decoder takes for it while it grows does not.
    let scene = Scene::default();
    let file = scene.write("window.zst", zstd_zeros(GIB, WINDOW_240_MIB));
    let (said, watched) = scan(&scene, &file, &["--max-ratio", "1000000000"], 60);
    said.assert_incomplete("limit-memory");
    assert_eq!(said.line["objects"], 2, "what was decoded is looked at");
    assert_memory(&watched, 256 << 20);
    let small = scene.write("small.zst", zstd_zeros(1 << 20, WINDOW_240_MIB));
    let (said, watched) = scan(&scene, &small, &[], 60);
    assert_eq!(said.outcome, "clean", "{}", said.line);
    assert!(watched.peak("candor-worker").anonymous_kib < 16 << 10);
}

#[test]
fn a_decoder_that_the_jail_gives_too_little_does_not_blame_the_file() {
    let scene = Scene::default();
    let has_prlimit = Command::new("prlimit").arg("--version").output().is_ok();
    let Some(bytes) = packed_zeros("xz", 64 << 20, 1).filter(|_| has_prlimit) else {
        println!("skipped: prlimit or xz is not installed");
        return;
    };
    let file = scene.write("zeros.xz", bytes);
    let mut scan = acceptance::cli::candor_under("prlimit", &["--data=40000000", "--"]);
    scan.args(["scan", "--json", "--max-ratio", "1000000000", "--db"])
        .arg(scene.signatures())
        .arg(&file);
    let watched = watch(&mut scan, Duration::from_secs(60));
    let said = said(&watched.ran).remove("zeros.xz").unwrap();
    said.assert_incomplete("limit-memory");
}

#[test]
fn a_bomb_that_may_have_all_memory_is_stopped_by_the_jail() {
    // The budget would allow 1 GiB; the process is given 200 MB from outside.
    let scene = Scene::default();
    let file = scene.write("zeros.zst", zstd_zeros(900 << 20, WINDOW_128_KIB));
    let mut scan = acceptance::cli::candor_under("prlimit", &["--data=200000000", "--"]);
    if Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: prlimit is not installed");
        return;
    }
    scan.args(["scan", "--json", "--max-ratio", "1000000000"])
        .args(["--max-memory", "1G", "--db"])
        .arg(scene.signatures())
        .arg(&file);
    let watched = watch(&mut scan, Duration::from_secs(60));
    let said = said(&watched.ran).remove("zeros.zst").unwrap();
    assert!(said.names("limit-memory"), "{}", said.line);
    assert_ne!(said.outcome, "clean");
    let peak = watched.peak("candor-worker");
    println!("the worker held {} KiB of 195,312", peak.anonymous_kib);
    assert!(peak.anonymous_kib <= 195_313, "{peak:?}");
}

#[test]
fn archives_in_archives_that_come_to_ten_gigabytes_end_by_a_limit() {
    let scene = Scene::default();
    // 10 MB, ten times in each of three archives around it.
    let mut bomb = Zip::default()
        .with(b"zeros", &vec![0; 10_000_000], Method::Deflated)
        .finish();
    for _ in 0..3 {
        let mut outer = Zip::default();
        for number in 0..10 {
            outer = outer.with(format!("{number}.zip").as_bytes(), &bomb, Method::Deflated);
        }
        bomb = outer.finish();
    }
    println!("{} bytes", bomb.len());
    let file = scene.write("nested.zip", &bomb);
    let (said, watched) = scan(&scene, &file, &["--max-time", "30s"], 60);
    assert_eq!(said.outcome, "incomplete", "{}", said.line);
    let named = ["limit-ratio", "limit-bytes", "limit-time"];
    assert!(
        named.iter().any(|reason| said.names(reason)),
        "{}",
        said.line
    );
    assert_memory(&watched, 256 << 20);
}

#[test]
fn members_that_share_one_kernel_of_data_end_by_a_limit() {
    let scene = Scene::default();
    let file = scene.write("overlapping.zip", overlapping(2_000, 4 << 20));
    let (said, watched) = scan(&scene, &file, &[], 60);
    assert_eq!(said.outcome, "incomplete", "{}", said.line);
    assert!(
        said.names("limit-ratio") || said.names("malformed"),
        "{}",
        said.line
    );
    assert_memory(&watched, 256 << 20);
}

/// Each member begins with a stored block that holds the next member's local header, and then goes
/// on into that member's data: one kernel of zeros is the end of all of them.
fn overlapping(members: usize, kernel_bytes: usize) -> Vec<u8> {
    let zeros = vec![0; kernel_bytes];
    let kernel = deflated(&zeros);
    let name = |number: usize| format!("{number:04}").into_bytes();
    let mut header = Header {
        flags: 0,
        method: 8,
        crc: crc32fast::hash(&zeros),
        packed_bytes: kernel.len(),
        size_bytes: kernel_bytes,
    };
    // From the last to the first: what each consists of is known then.
    let mut headers = vec![header];
    let length = u16::try_from(local_header(&name(0), &header).len()).unwrap();
    let mut quote = vec![0];
    quote.extend(length.to_le_bytes());
    quote.extend((!length).to_le_bytes());
    for number in (1..members).rev() {
        let local = local_header(&name(number), &header);
        let after = crc32fast::Hasher::new_with_initial_len(header.crc, header.size_bytes as u64);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&local);
        crc.combine(&after);
        header.crc = crc.finalize();
        header.packed_bytes += quote.len() + local.len();
        header.size_bytes += local.len();
        headers.push(header);
    }
    headers.reverse();
    let mut zip = Zip::default();
    let mut offsets = Vec::new();
    for (number, header) in headers.iter().enumerate() {
        let is_last = number + 1 == members;
        let data = if is_last { &kernel } else { &quote };
        offsets.push(zip.raw(&name(number), header, data));
    }
    for (number, header) in headers.iter().enumerate() {
        zip.listed(&name(number), header, offsets[number]);
    }
    zip.finish()
}

/// A gzip file's deflate stream, without its header and trailer.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let file = gzip(bytes);
    file[10..file.len() - 8].to_vec()
}

#[test]
fn a_file_that_unpacks_to_itself_ends_by_depth() {
    let scene = Scene::default();
    let file = scene.write("quine.gz", gzip_quine());
    for options in [&[][..], &["--max-depth", "1000"]] {
        let (said, _) = scan(&scene, &file, options, 10);
        said.assert_incomplete("limit-depth");
        assert_eq!(said.line["type"], "gzip");
        // One object more than containers that were entered.
        let deepest = if options.is_empty() {
            17
        } else {
            DEPTH_MAX + 1
        };
        assert_eq!(said.line["objects"], deepest, "{}", said.line);
    }
}

#[test]
fn a_thousand_containers_inside_each_other_end_by_depth() {
    let scene = Scene::default();
    let mut gzips = MARKER.as_bytes().to_vec();
    let mut zips = gzips.clone();
    let mut mixed = gzips.clone();
    for level in 0..1_000 {
        gzips = gzip_stored(&gzips);
        zips = Zip::default().with(b"z", &zips, Method::Stored).finish();
        mixed = match level % 3 {
            0 => gzip(&mixed),
            1 => Zip::default().with(b"m", &mixed, Method::Deflated).finish(),
            _ => {
                let mut tar = tar_member(b"t", &mixed);
                tar.extend([0; 1024]);
                gzip(&tar)
            }
        };
    }
    // Stored: the marker is in sight from outside, and found there.
    let visible = scene.write("visible.gz", &gzips);
    let (said, _) = scan(&scene, &visible, &[], 20);
    assert_eq!(said.outcome, "detected", "{}", said.line);
    assert!(said.names("limit-depth"), "{}", said.line);
    let hidden = scene.write("hidden.gz", &mixed);
    let zips = scene.write("stored.zip", &zips);
    for options in [&[][..], &["--max-depth", "1000"], &["--max-depth", "0"]] {
        let (said, watched) = scan(&scene, &hidden, options, 20);
        said.assert_incomplete("limit-depth");
        assert_memory(&watched, 256 << 20);
        let (said, watched) = scan(&scene, &zips, options, 60);
        assert!(said.names("limit-depth"), "{}", said.line);
        assert_memory(&watched, 256 << 20);
    }
}

#[test]
fn depth_counts_to_the_level_that_was_asked_for() {
    let scene = Scene::default();
    let mut nested = MARKER.as_bytes().to_vec();
    for _ in 0..20 {
        nested = gzip(&nested);
    }
    let file = scene.write("twenty.gz", &nested);
    for (depth, outcome) in [("19", "incomplete"), ("20", "detected"), ("64", "detected")] {
        let (said, _) = scan(&scene, &file, &["--max-depth", depth], 10);
        assert_eq!(said.outcome, outcome, "{depth}: {}", said.line);
        assert_eq!(said.names("limit-depth"), depth == "19", "{}", said.line);
    }
}

#[test]
fn many_members_end_by_objects_and_little_time_by_time() {
    let scene = Scene::default();
    let mut zip = Zip::default();
    for number in 0..60_000 {
        zip = zip.with(format!("{number}").as_bytes(), b"x", Method::Stored);
    }
    let file = scene.write("many.zip", zip.finish());
    let (said, _) = scan(&scene, &file, &["--max-objects", "1000"], 20);
    said.assert_incomplete("limit-objects");
    let (said, _) = scan(&scene, &file, &["--max-time", "1ms"], 20);
    said.assert_incomplete("limit-time");
    let (said, _) = scan(&scene, &file, &["--max-bytes", "100K"], 20);
    assert!(said.names("limit-bytes"), "{}", said.line);
    let (said, _) = scan(&scene, &file, &[], 60);
    assert_eq!(said.outcome, "clean", "{}", said.line);
    assert_eq!(said.line["objects"], 60_001);
}

#[test]
fn a_sparse_file_of_six_gibibytes_ends_by_bytes() {
    let scene = Scene::default();
    let path = scene.at("sparse");
    let file = File::create(&path).unwrap();
    file.set_len(6 * GIB).unwrap();
    let (said, watched) = scan(&scene, &path, &["--max-bytes", "200M"], 30);
    said.assert_incomplete("limit-bytes");
    assert_memory(&watched, 0);
    let (said, watched) = scan(&scene, &path, &[], 110);
    said.assert_incomplete("limit-bytes");
    assert_eq!(said.line["size_bytes"], 6 * GIB);
    assert_memory(&watched, 0);
    let size = fs::metadata(&path).unwrap().len();
    assert_eq!(size, 6 * GIB);
}
