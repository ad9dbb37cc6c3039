//! What LLVM's fuzzer printed, as far as people want to know it.

use std::fmt;

/// What came of one target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) runs: u64,
    /// Places in the program that some input reached.
    pub(super) coverage: u64,
    /// Inputs that reach something that no other does.
    pub(super) inputs: u64,
    pub(super) slowest_seconds: u64,
    pub(super) memory_mib: u64,
    /// What broke, in the program's or the fuzzer's words.
    pub(super) complaint: String,
    /// The file of the input that broke it.
    pub(super) artifact: Option<String>,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9} runs, coverage {:>5}, {:>5} inputs, slowest {} s, {} MiB",
            self.runs, self.coverage, self.inputs, self.slowest_seconds, self.memory_mib
        )
    }
}

impl Log {
    /// Reads what was printed.
    pub(super) fn parse(text: &str) -> Self {
        let mut log = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with('#') {
                log.progress(line);
            } else if let Some((_, file)) = line.split_once("Test unit written to ") {
                log.artifact = Some(file.trim().to_owned());
            } else if line.contains(" panicked at ") {
                let words = lines.next().unwrap_or_default();
                log.complaint = format!("{} ({})", words.trim(), place(line));
            } else if let Some((_, words)) = line.split_once("ERROR: libFuzzer: ") {
                // A panic says more than that it ended the program.
                if log.complaint.is_empty() {
                    words.clone_into(&mut log.complaint);
                }
            } else {
                log.statistic(line);
            }
        }
        if log.complaint.is_empty() {
            "the fuzzer ended and did not say why".clone_into(&mut log.complaint);
        }
        log
    }

    /// `#20122  DONE   cov: 1188 ft: 5012 corp: 1110/2Mb lim: 4096 exec/s: 1257 rss: 59Mb`
    fn progress(&mut self, line: &str) {
        let number = |text: &str| text.parse::<u64>().ok();
        let mut words = line.split_whitespace();
        let runs = words.next().and_then(|word| number(word.get(1..)?));
        self.runs = self.runs.max(runs.unwrap_or(0));
        while let Some(word) = words.next() {
            let value = match word {
                "cov:" | "corp:" => words.next().unwrap_or_default(),
                _ => continue,
            };
            match word {
                "cov:" => self.coverage = number(value).unwrap_or(self.coverage),
                _ => {
                    let inputs = value.split('/').next().and_then(number);
                    self.inputs = inputs.unwrap_or(self.inputs);
                }
            }
        }
    }

    /// `stat::peak_rss_mb:              59`
    fn statistic(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':').and_then(|(start, rest)| {
            let (name, value) = rest.strip_prefix(':')?.split_once(':')?;
            (start == "stat").then_some((name, value.trim().parse().ok()?))
        }) else {
            return;
        };
        match name {
            "number_of_executed_units" => self.runs = value,
            "slowest_unit_time_sec" => self.slowest_seconds = value,
            "peak_rss_mb" => self.memory_mib = value,
            _ => {}
        }
    }
}

/// The place in the source of a panic's first line.
fn place(line: &str) -> &str {
    let place = line.split(" panicked at ").nth(1).unwrap_or_default();
    place.trim_end_matches(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &str = "\
INFO: Seed: 1
#2\tINITED cov: 97 ft: 98 corp: 1/1b exec/s: 0 rss: 31Mb
#20122\tDONE   cov: 1188 ft: 5012 corp: 1110/2Mb lim: 4096 exec/s: 1257 rss: 59Mb
Done 20122 runs in 16 second(s)
stat::number_of_executed_units: 20122
stat::slowest_unit_time_sec:    1
stat::peak_rss_mb:              59
";
    const LOUD: &str = "\
#700\tNEW    cov: 12 ft: 13 corp: 4/1b exec/s: 0 rss: 31Mb
thread '<unnamed>' (7) panicked at pure/unpack/src/x.rs:4:9:
index out of bounds
note: run with `RUST_BACKTRACE=1`
==7== ERROR: libFuzzer: deadly signal
artifact_prefix='fuzz/found/zip/'; Test unit written to fuzz/found/zip/crash-1
";

    #[test]
    fn figures_are_read() {
        let log = Log::parse(QUIET);
        assert_eq!((log.runs, log.coverage, log.inputs), (20_122, 1_188, 1_110));
        assert_eq!((log.slowest_seconds, log.memory_mib), (1, 59));
        assert_eq!(log.artifact, None);
    }

    #[test]
    fn a_panic_is_told_with_its_place_and_its_input() {
        let log = Log::parse(LOUD);
        assert_eq!(
            log.complaint,
            "index out of bounds (pure/unpack/src/x.rs:4:9)"
        );
        assert_eq!(log.artifact.as_deref(), Some("fuzz/found/zip/crash-1"));
        assert_eq!(log.runs, 700);
    }

    #[test]
    fn what_the_fuzzer_says_counts_where_nothing_panicked() {
        let log = Log::parse("==1== ERROR: libFuzzer: timeout after 10 seconds\n");
        assert_eq!(log.complaint, "timeout after 10 seconds");
        assert!(Log::parse("").complaint.contains("did not say why"));
    }
}
