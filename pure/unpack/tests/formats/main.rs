//! The formats against the corpus, against truncation and mutation, against bombs, and against
//! other tools' samples where those are installed.

#![expect(
    clippy::expect_used,
    reason = "a test that can't go on should say where"
)]

mod bombs;
mod cabinets;
mod embedded;
mod executables;
mod golden;
mod identify;
mod images;
mod mutation;
mod others;
mod packed;
mod passwords;
mod samples;
mod seven_zip;
mod truncation;
