//! The pool with workers that misbehave: whatever one does, every file comes back, none of them
//! clean by accident, and nothing is left running.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pool::{Answer, Compilation, Isolation, Job, Pool, PoolError, Settings};
use proto::{Describe, Limits, Outcome, Reason, ScanOptions, Verdict};

const FAKE: &str = env!("CARGO_BIN_EXE_fake-worker");

fn memory(text: &str) -> OwnedFd {
    let file = kernel::file::memory_file("test").unwrap();
    kernel::file::write_all_at(&file, 0, text.as_bytes()).unwrap();
    file
}

fn settings(workers: usize, isolation: Isolation) -> Settings {
    let limits = Limits {
        time_ms_max: 300,
        ..Limits::default()
    };
    Settings {
        program: PathBuf::from(FAKE),
        workers,
        isolation,
        options: ScanOptions {
            limits,
            ..ScanOptions::default()
        },
        grace_ms: 200,
    }
}

fn start(workers: usize, isolation: Isolation) -> Pool {
    Pool::start(settings(workers, isolation), memory("well")).unwrap()
}

/// Scans files with these texts; the verdicts by ticket.
fn scan(pool: &Pool, texts: &[&str]) -> BTreeMap<u64, Verdict> {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (ticket, text) in (0u64..).zip(texts) {
                let file = memory(text);
                let size_bytes = text.len() as u64;
                let job = Job {
                    ticket,
                    file,
                    size_bytes,
                };
                if pool.submit(job).is_err() {
                    break;
                }
            }
            pool.close();
        });
        let mut verdicts = BTreeMap::new();
        while let Some(Answer {
            ticket, verdict, ..
        }) = pool.next()
        {
            assert!(verdicts.insert(ticket, verdict).is_none(), "{ticket} twice");
        }
        verdicts
    })
}

/// A misbehaving file among well-behaved ones: what is said of it.
fn among_others(text: &str, isolation: Isolation) -> Verdict {
    let mut texts = vec!["well"; 41];
    texts[20] = text;
    let mut verdicts = scan(&start(2, isolation), &texts);
    assert_eq!(verdicts.len(), texts.len());
    let odd = verdicts.remove(&20).unwrap();
    for (ticket, verdict) in verdicts {
        assert_eq!(
            verdict.outcome(),
            Outcome::Clean,
            "{text}: {ticket}: {verdict:?}"
        );
    }
    odd
}

fn assert_incomplete(text: &str, reason: Reason, words: &str) {
    for isolation in [Isolation::Pooled, Isolation::PerFile] {
        let verdict = among_others(text, isolation);
        assert_eq!(verdict.outcome(), Outcome::Incomplete, "{text}");
        assert!(verdict.incomplete.contains(reason), "{text}: {verdict:?}");
        let said = &verdict.details[0].text;
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn a_worker_that_dies_costs_one_file_and_its_last_words_are_kept() {
    assert_incomplete(
        "dies",
        Reason::WorkerDied,
        "the worker ended with status 3; its last words: last \\u{1b}[31mwords",
    );
}

#[test]
fn a_worker_that_is_killed_names_the_signal() {
    assert_incomplete("aborts", Reason::WorkerDied, "SIGABRT");
}

#[test]
fn a_worker_without_memory_is_a_limit() {
    assert_incomplete("dies-of-memory", Reason::LimitMemory, "123456 bytes");
}

#[test]
fn a_worker_that_stalls_is_ended_in_time() {
    assert_incomplete(
        "stalls",
        Reason::LimitTime,
        "the worker did not answer within 500 ms",
    );
}

#[test]
fn a_worker_that_breaks_the_protocol_is_ended() {
    for (text, words) in [
        ("garbage", "broke the protocol"),
        ("wrong-ticket", "a file that was not next"),
        ("unasked-text", "no verdict"),
        ("descriptors", "it sent descriptors"),
        ("too-many-findings", "more than it may"),
        ("oversize", "longer than the protocol allows"),
    ] {
        assert_incomplete(text, Reason::WorkerDied, words);
    }
}

#[test]
fn a_worker_that_says_too_much_is_not_believed_later() {
    // The first answer counts; what comes unasked ends the worker, and costs at most the file
    // that it had next.
    for text in ["answers-twice", "floods"] {
        let mut texts = vec!["well"; 200];
        texts[50] = text;
        let verdicts = scan(&start(2, Isolation::Pooled), &texts);
        assert_eq!(verdicts.len(), texts.len());
        let lost: Vec<_> = verdicts
            .iter()
            .filter(|(_, verdict)| verdict.outcome() != Outcome::Clean)
            .collect();
        assert!(lost.len() <= 1, "{lost:?}");
        assert!(!lost.iter().any(|(ticket, _)| **ticket == 50));
    }
}

#[test]
fn a_worker_that_ends_after_its_answer_costs_nothing_when_it_is_alone() {
    let pool = start(1, Isolation::Pooled);
    for ticket in 0..3 {
        let job = Job {
            ticket,
            file: memory("answers-then-dies"),
            size_bytes: 1,
        };
        pool.submit(job).unwrap();
        assert_eq!(pool.next().unwrap().verdict.outcome(), Outcome::Clean);
        // Long enough for it to be gone when the next one comes.
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn diagnostics_that_nobody_reads_end_in_the_time_limit() {
    assert_incomplete("shouts", Reason::LimitTime, "did not answer");
}

#[test]
fn each_file_has_a_process_of_its_own_where_asked() {
    let texts = vec!["process-number"; 50];
    let shared = scan(&start(2, Isolation::Pooled), &texts);
    let processes = |verdicts: BTreeMap<u64, Verdict>| {
        let mut kinds: Vec<_> = verdicts.into_values().map(|verdict| verdict.kind).collect();
        kinds.sort();
        kinds.dedup();
        kinds.len()
    };
    assert!(processes(shared) <= 2);
    let own = scan(&start(2, Isolation::PerFile), &texts);
    assert_eq!(processes(own), 50);
}

#[test]
fn every_answer_brings_its_own_descriptor_back() {
    let pool = start(2, Isolation::Pooled);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for ticket in 0..1000u64 {
                let file = memory(&format!("file {ticket}"));
                let job = Job {
                    ticket,
                    file,
                    size_bytes: 10,
                };
                pool.submit(job).unwrap();
            }
            pool.close();
        });
        let mut count = 0;
        while let Some(answer) = pool.next() {
            let mut bytes = [0; 32];
            let length = kernel::file::read_at(&answer.file, 0, &mut bytes).unwrap();
            let text = format!("file {}", answer.ticket);
            assert_eq!(&bytes[..length], text.as_bytes());
            count += 1;
        }
        assert_eq!(count, 1000);
    });
}

#[test]
fn the_pool_holds_a_bounded_number_of_descriptors() {
    let pool = start(1, Isolation::Pooled);
    let submitted = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for ticket in 0..2 * pool::JOBS_MAX as u64 {
                let job = Job {
                    ticket,
                    file: memory("well"),
                    size_bytes: 4,
                };
                pool.submit(job).unwrap();
                submitted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            pool.close();
        });
        std::thread::sleep(Duration::from_millis(300));
        let before = submitted.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(before, pool::JOBS_MAX, "nobody took an answer yet");
        let mut count = 0;
        while pool.next().is_some() {
            count += 1;
        }
        assert_eq!(count, 2 * pool::JOBS_MAX);
    });
}

fn refusal(pack: &str) -> PoolError {
    match Pool::start(settings(2, Isolation::Pooled), memory(pack)) {
        Ok(_) => panic!("{pack} was accepted"),
        Err(error) => error,
    }
}

#[test]
fn a_pool_does_not_start_with_a_worker_that_is_not_well() {
    assert_eq!(
        refusal("dead-at-start").to_string(),
        "the worker ended before it was ready: the worker ended with status 7; \
         its last words: no reason at all"
    );
    assert_eq!(
        refusal("refuses").to_string(),
        "the worker can't serve: the pack is of another age"
    );
    assert!(matches!(refusal("hasty"), PoolError::Protocol(_)));
    assert!(matches!(
        refusal("garbage-at-start"),
        PoolError::Protocol(_)
    ));
}

#[test]
fn a_pool_does_not_start_where_the_jail_does_not_hold() {
    let error = refusal("unjailed");
    let PoolError::JailDoesNotHold(report) = &error else {
        panic!("{error}")
    };
    assert!(!report.holds());
    for threat in proto::THREATS {
        assert!(!report.holds_against(threat), "{}", threat.as_str());
    }
    assert!(
        error
            .to_string()
            .contains("file, network, exec, signal, ptrace")
    );
}

#[test]
fn workers_that_keep_dying_at_start_end_the_pool_and_not_the_files() {
    let marker = std::env::temp_dir().join(format!("candor-only-once-{}", std::process::id()));
    let _ = std::fs::remove_dir(&marker);
    let pool = Pool::start(settings(1, Isolation::Pooled), memory("only-once")).unwrap();
    let began = Instant::now();
    let mut texts = vec!["well"; 60];
    texts[5] = "dies";
    let verdicts = scan(&pool, &texts);
    std::fs::remove_dir(&marker).unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
    for ticket in 0..5 {
        assert_eq!(verdicts[&ticket].outcome(), Outcome::Clean);
    }
    for (ticket, verdict) in verdicts.range(5..) {
        assert!(verdict.incomplete.contains(Reason::WorkerDied), "{ticket}");
    }
    let trouble = pool.trouble().unwrap();
    assert!(matches!(trouble, PoolError::KeepsEnding(_)), "{trouble}");
    let job = Job {
        ticket: 99,
        file: memory("well"),
        size_bytes: 4,
    };
    assert_eq!(pool.submit(job), Err(trouble));
    assert!(pool.next().is_none());
}

#[test]
fn a_dropped_pool_does_not_wait_for_its_workers() {
    let pool = start(2, Isolation::Pooled);
    for ticket in 0..2 {
        let job = Job {
            ticket,
            file: memory("stalls"),
            size_bytes: 1,
        };
        pool.submit(job).unwrap();
    }
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    drop(pool);
    assert!(began.elapsed() < Duration::from_millis(300));
}

#[test]
fn a_closed_pool_takes_nothing_and_an_empty_one_ends() {
    let pool = start(2, Isolation::Pooled);
    pool.close();
    assert!(pool.next().is_none());
    let job = Job {
        ticket: 1,
        file: memory("well"),
        size_bytes: 4,
    };
    assert_eq!(pool.submit(job), Err(PoolError::Closed));
}

fn compilation(sources: Vec<(String, OwnedFd)>, data_bytes_max: u64) -> Compilation {
    Compilation {
        sources,
        definitions: Vec::new(),
        pack: memory(""),
        yara: None,
        data_bytes_max,
    }
}

#[test]
fn what_a_worker_said_before_it_was_lost_is_kept() {
    for (text, reason) in [
        ("says-so-far-and-dies", Reason::WorkerDied),
        ("says-so-far-and-stalls", Reason::LimitTime),
        ("says-so-far-for-ever", Reason::LimitTime),
    ] {
        for isolation in [Isolation::Pooled, Isolation::PerFile] {
            let verdict = among_others(text, isolation);
            assert_eq!(verdict.outcome(), Outcome::Detected, "{text}");
            assert_eq!(verdict.findings[0].name, "Found.So.Far", "{text}");
            assert!(verdict.incomplete.contains(reason), "{text}: {verdict:?}");
        }
    }
}

#[test]
fn a_verdict_replaces_what_was_said_before_it() {
    let verdict = among_others("says-so-far-and-answers", Isolation::Pooled);
    assert_eq!(verdict.outcome(), Outcome::Clean, "{verdict:?}");
}

#[test]
fn what_is_said_of_another_file_counts_for_none() {
    assert_incomplete(
        "says-so-far-of-another",
        Reason::WorkerDied,
        "a file that was not next",
    );
}

#[test]
fn one_task_workers_give_their_answer() {
    let program = PathBuf::from(FAKE);
    let sources = (0..150)
        .map(|number| (format!("source-{number}.ndb"), memory("x")))
        .collect();
    let compiled = pool::compile(&program, compilation(sources, 1 << 30)).unwrap();
    assert_eq!(compiled.pack_bytes, 42);
    let task = (memory("well"), Vec::new());
    let yara_bytes = pool::compile_yara(&program, task, memory(""), 1 << 30).unwrap();
    assert_eq!(yara_bytes, 43);
    let mut lines = Vec::new();
    pool::describe(&program, memory("well"), Describe::Show, &mut |line| {
        lines.push(line.to_string());
    })
    .unwrap();
    assert_eq!(lines, ["one", "two", "three"]);
    assert!(pool::inspect(&program).unwrap().holds());
}

#[test]
fn a_real_worker_that_runs_out_of_memory_says_so() {
    let program = acceptance::cli::program("candor-worker");
    let large = "x".repeat(24 << 20);
    let sources = vec![("large.ndb".to_string(), memory(&large))];
    let error = pool::compile(&program, compilation(sources, 16 << 20)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("memory allocation of"), "{text}");
}

#[test]
fn a_real_worker_is_ready_with_a_jail_that_holds() {
    let program = acceptance::cli::program("candor-worker");
    let report = pool::inspect(&program).unwrap();
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.layers.len(), proto::Layer::ALL.len());
}
