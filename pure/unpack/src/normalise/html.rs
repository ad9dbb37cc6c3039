//! HTML as signatures for target type 3 are written against: without comments, and without tags
//! too; scripts by themselves; and the content of `data:` links.
//!
//! This is no parser of what HTML means. It does to each byte what the peer's does, so that what
//! signatures were cut from is here as well: quotes become double, white space is collapsed in
//! text, kept out of tags' edges and removed from scripts, references are resolved.

mod walk;

use proto::{Budget, Reason};

use self::walk::Walk;
use super::script;
use crate::Source;
use crate::input::Input;
use crate::members::Stop;
use crate::output::{Output, Tally};

/// A script is normalised in pieces of this length.
const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// The views of one HTML document.
#[derive(Debug)]
pub struct HtmlViews {
    without_comments: Output,
    without_tags: Output,
    raw_scripts: Output,
    script_ends: Vec<usize>,
    scripts: Output,
    links: Output,
    link_ends: Vec<usize>,
}

impl HtmlViews {
    /// In lower case, without comments.
    #[must_use]
    pub fn without_comments(&self) -> &[u8] {
        self.without_comments.bytes()
    }

    /// Without tags too, but with what they link to.
    #[must_use]
    pub fn without_tags(&self) -> &[u8] {
        self.without_tags.bytes()
    }

    /// The scripts, normalised.
    #[must_use]
    pub fn scripts(&self) -> &[u8] {
        self.scripts.bytes()
    }

    /// What follows `data:` in each link.
    pub fn links(&self) -> impl Iterator<Item = &[u8]> {
        pieces(self.links.bytes(), &self.link_ends)
    }

    /// Gives the memory back.
    pub fn discard(self, budget: &mut Budget) {
        for output in [
            self.without_comments,
            self.without_tags,
            self.raw_scripts,
            self.scripts,
            self.links,
        ] {
            output.discard(budget);
        }
    }
}

/// Normalises an HTML document; the views hold what came out until something stopped it.
pub fn html(source: &dyn Source, budget: &mut Budget) -> (HtmlViews, Option<(Reason, String)>) {
    let output = || Output::new(Tally::new(source.size_bytes()));
    let mut views = HtmlViews {
        without_comments: output(),
        without_tags: output(),
        raw_scripts: output(),
        script_ends: Vec::new(),
        scripts: output(),
        links: output(),
        link_ends: Vec::new(),
    };
    let done = normalise(source, &mut views, budget);
    let stop = done.err().map(|stop| (stop.reason, stop.text.into_owned()));
    (views, stop)
}

fn normalise(source: &dyn Source, views: &mut HtmlViews, budget: &mut Budget) -> Result<(), Stop> {
    let mut input = Input::whole(source);
    let is_wide = input.at_least(2)?.starts_with(b"\xff\xfe");
    let mut walk = Walk::new();
    loop {
        budget.check_time()?;
        let chunk = input.peek()?;
        let count = chunk.len();
        if count == 0 {
            break;
        }
        match is_wide && count > 1 {
            true => {
                let pairs = chunk.as_chunks::<2>().0;
                for [low, high] in pairs {
                    walk.push(narrow(*low, *high));
                }
                input.consume(count & !1);
            }
            false => {
                chunk.iter().for_each(|byte| walk.push(*byte));
                input.consume(count);
            }
        }
        walk.drain(views, budget, input.consumed())?;
    }
    walk.finish();
    walk.drain(views, budget, input.consumed())?;
    scripts(source.size_bytes(), views, budget)?;
    if walk.links_left_out {
        return Err(Stop {
            reason: Reason::LimitObjects,
            text: "there are more data: links than are looked at".into(),
        });
    }
    Ok(())
}

/// Normalises what stood in script elements. A long one is taken in pieces, since it costs many
/// times its length, and what looks like one may be the rest of a large text.
fn scripts(size_bytes: u64, views: &mut HtmlViews, budget: &mut Budget) -> Result<(), Stop> {
    let all = pieces(views.raw_scripts.bytes(), &views.script_ends);
    for (index, whole) in all.enumerate() {
        let parts = whole.len().div_ceil(SCRIPT_BYTES_MAX).max(1);
        for part in 0..parts {
            budget.check_time()?;
            let raw = whole.chunks(SCRIPT_BYTES_MAX).nth(part).unwrap_or_default();
            let cost = script::BYTES_PER_BYTE;
            let bytes = raw.len() as u64;
            let held = bytes.saturating_mul(cost);
            budget.hold_memory(held)?;
            let affordable = budget.memory_left().checked_div(cost).unwrap_or(0);
            let room = bytes.saturating_mul(4).min(affordable);
            let mut script = Vec::new();
            if index > 0 && part == 0 {
                script.push(b'\n');
            }
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let done = script::normalise(raw, room, &mut script);
            let pushed = views.scripts.push(&script, budget, size_bytes);
            budget.release_memory(held);
            pushed?;
            done?;
        }
    }
    Ok(())
}

/// The pieces that end at these places.
fn pieces<'a>(bytes: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(&0).chain(ends);
    starts
        .zip(ends)
        .map(|(start, end)| bytes.get(*start..*end).unwrap_or_default())
}

/// A UTF-16 code unit as the peer makes a byte of it.
fn narrow(low: u8, high: u8) -> u8 {
    high.wrapping_shl(4).wrapping_add(low)
}

#[cfg(test)]
mod tests;
