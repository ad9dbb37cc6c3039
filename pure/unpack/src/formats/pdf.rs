//! PDF: the streams, scripts and attached files of a document. Objects are looked for where they
//! lie, not only where the cross-reference tables lead, so that no broken or lying table hides
//! one; older versions of an object are looked at like newer ones. Encrypted documents are opened
//! with an empty password, as readers do. Pictures are handed over in their own formats.

mod crypt;
mod effort;
mod filters;
mod kept;
mod lex;
mod lzw;
mod object;
mod objects;
mod plan;
mod security;
mod stream;
mod survey;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use proto::{Budget, Reason};

use crate::Source;
use crate::fields::find;
use crate::formats::leaf::is_text;
use crate::formats::pdf::crypt::Keys;
use crate::formats::pdf::effort::Effort;
use crate::formats::pdf::kept::Kept;
use crate::formats::pdf::object::{files, plain_text, scripts, with_text};
use crate::formats::pdf::plan::{Plan, Stated};
use crate::formats::pdf::stream::{Locked, Place, View};
use crate::formats::pdf::survey::{Found, Kind, Survey};
use crate::identify::{Format, Probe, Role};
use crate::input::{Input, read_part};
use crate::members::{Content, Flow, Member, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

/// How far into a file readers look for the header.
const HEAD_BYTES: usize = 1024;
const MAGIC: &[u8] = b"%PDF-";
/// How often, on average, each byte may be read as an object's text, or as a stream's data.
const READINGS: u64 = 32;
const READINGS_FREE_BYTES: u64 = 1 << 20;
/// What a number or a name in a set takes.
const ENTRY_BYTES: usize = 64;

/// PDF documents.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "pdf",
    detect,
    role: Role::Container(unpack),
}];

/// The header may stand behind other data; then another container has the file, unless it ends
/// as a document ends: a tar whose first member is a document is a tar.
fn detect(probe: &Probe<'_>) -> bool {
    let head = probe.head.get(..HEAD_BYTES).unwrap_or(probe.head);
    let Some(at) = find(head, MAGIC, 0) else {
        return false;
    };
    begins(head.get(..at).unwrap_or_default()) || {
        let from = probe.tail.len().saturating_sub(HEAD_BYTES);
        let has_end = find(probe.tail, b"%%EOF", from).is_some();
        has_end || !is_other_container(probe)
    }
}

/// Whether what stands before the header is nothing.
fn begins(before: &[u8]) -> bool {
    let before = before.strip_prefix(b"\xef\xbb\xbf").unwrap_or(before);
    before.iter().all(|byte| lex::is_space(*byte))
}

fn is_other_container(probe: &Probe<'_>) -> bool {
    let others = super::REGISTRY.iter().flat_map(|group| group.iter());
    others
        .filter(|format| matches!(format.role, Role::Container(_) | Role::Unsupported))
        .any(|format| format.name != "pdf" && (format.detect)(probe))
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let size = source.size_bytes();
    let allowed = size
        .saturating_mul(READINGS)
        .saturating_add(READINGS_FREE_BYTES);
    let (effort, stored) = (Effort::new(allowed), Effort::new(allowed));
    let mut document = Document {
        source,
        effort: &effort,
        stored: &stored,
        survey: Survey::default(),
        index: Kept::default(),
        inner: Kept::default(),
        inner_sorted: 0,
        scripts: BTreeSet::new(),
        files: BTreeMap::new(),
        keys: None,
        own_strings: Vec::new(),
        is_locked: false,
        tally: Tally::new(size),
        troubles: Troubles::default(),
    };
    if let Err(stop) = document.survey.look(source, &effort, budget) {
        document.troubles.note(0, stop);
    }
    if let Err(stop) = document.walk(budget, members) {
        document.troubles.note(0, stop);
    }
    document.check_end();
    document.survey.objects.release(budget);
    document.survey.stream_ends.release(budget);
    document.index.release(budget);
    document.inner.release(budget);
    document.troubles.into_vec()
}

/// A document that is unpacked.
struct Document<'a> {
    source: &'a dyn Source,
    /// For reading texts.
    effort: &'a Effort,
    /// For reading streams.
    stored: &'a Effort,
    survey: Survey,
    /// Numbers of objects and their places in the survey, in order.
    index: Kept<(u32, u32)>,
    /// The texts of objects inside streams, those up to `inner_sorted` by their numbers.
    inner: Kept<(u32, Box<[u8]>)>,
    inner_sorted: usize,
    /// Objects that hold scripts.
    scripts: BTreeSet<u32>,
    /// The names of attached files, by their streams.
    files: BTreeMap<u32, Vec<u8>>,
    keys: Option<Keys>,
    /// Dictionaries of encryption, which are not encrypted.
    own_strings: Vec<u32>,
    /// Whether it is encrypted, and was not opened.
    is_locked: bool,
    tally: Tally,
    troubles: Troubles,
}

impl Document<'_> {
    fn walk(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        self.sort(budget)?;
        self.open(budget)?;
        for place in 0..self.survey.objects.list().len() {
            let Some(found) = self.survey.objects.list().get(place).copied() else {
                break;
            };
            if found.has_script || found.has_files {
                self.links(&found, budget)?;
            }
        }
        if self.object_streams(budget, members)? == Flow::Stop {
            return Ok(());
        }
        for place in 0..self.survey.objects.list().len() {
            budget.check_time()?;
            let Some(found) = self.survey.objects.list().get(place).copied() else {
                break;
            };
            let mut flow = Flow::Continue;
            if found.has_script {
                flow = self.own_scripts(&found, budget, members)?;
            }
            if found.kind == Kind::Stream && flow == Flow::Continue {
                flow = self.stream(&found, budget, members)?;
            }
            if flow == Flow::Stop {
                return Ok(());
            }
        }
        if self.script_objects(budget, members)? == Flow::Continue {
            self.strings(budget, members)?;
        }
        Ok(())
    }

    /// Notes what an object says of others.
    fn links(&mut self, found: &Found, budget: &mut Budget) -> Result<(), Stop> {
        let (source, effort) = (self.source, self.effort);
        with_text((source, effort), found.offset, budget, |text, _, budget| {
            self.note_links(text, self.string_lock(found), budget)
        })?
    }

    /// Notes which objects a text says to be scripts and attached files.
    fn note_links(
        &mut self,
        text: &[u8],
        locked: Option<Locked>,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        for script in scripts(text) {
            if let object::Script::Object(number) = script
                && self.scripts.insert(number)
            {
                self.inner.hold(ENTRY_BYTES, budget)?;
            }
        }
        for (number, name) in files(text, self.effort)? {
            let mut plain = Output::new(self.tally);
            let decrypted = self.decrypted(locked, &name, &mut plain, budget);
            let name = plain_text(plain.bytes().to_vec());
            plain.discard(budget);
            decrypted?;
            let size = name.len().saturating_add(ENTRY_BYTES);
            if !name.is_empty() && self.files.insert(number, name).is_none() {
                self.inner.hold(size, budget)?;
            }
        }
        Ok(())
    }

    /// Hands over the scripts that stand in an object's own text.
    fn own_scripts(
        &mut self,
        found: &Found,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let (source, effort) = (self.source, self.effort);
        with_text((source, effort), found.offset, budget, |text, _, budget| {
            for script in scripts(text) {
                if let object::Script::Text(bytes) = script {
                    let locked = self.string_lock(found);
                    let flow = self.script((found.number, locked), &bytes, budget, members)?;
                    if flow == Flow::Stop {
                        return Ok(flow);
                    }
                }
            }
            Ok(Flow::Continue)
        })?
    }

    /// Hands over a script that is a string.
    fn script(
        &mut self,
        (number, locked): (u32, Option<Locked>),
        bytes: &[u8],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut output = Output::new(self.tally);
        if let Err(stop) = self.decrypted(locked, bytes, &mut output, budget) {
            output.discard(budget);
            return Err(stop);
        }
        self.script_output(number, output, budget, members)
    }

    /// Hands over a script, as UTF-8 where it is in UTF-16.
    fn script_output(
        &mut self,
        number: u32,
        mut output: Output,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let name = format!("(javascript {number})");
        let bytes = output.bytes();
        if bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\xff\xfe") {
            let working_bytes = (bytes.len() as u64).saturating_mul(4);
            if let Err(reason) = budget.hold_memory(working_bytes) {
                output.discard(budget);
                return Err(reason.into());
            }
            let text = plain_text(bytes.to_vec());
            let bytes_in = bytes.len() as u64;
            output.discard(budget);
            output = Output::new(self.tally);
            let pushed = output.push(&text, budget, bytes_in);
            budget.release_memory(working_bytes);
            if let Err(reason) = pushed {
                output.discard(budget);
                return Err(reason.into());
            }
        }
        let (flow, tally) = output.hand_over(name.as_bytes(), members, budget);
        self.tally = tally;
        Ok(flow)
    }

    /// Appends a string, decrypted where it is encrypted.
    fn decrypted(
        &self,
        locked: Option<Locked>,
        bytes: &[u8],
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let cipher = locked.zip(self.keys.as_ref()).and_then(|(locked, keys)| {
            keys.cipher(locked.method, locked.number, locked.generation)
        });
        match cipher {
            Some(mut cipher) => cipher.decrypt(&mut Input::whole(&bytes), output, budget),
            None => Ok(output.push(bytes, budget, bytes.len() as u64)?),
        }
    }

    /// Hands over a stream.
    fn stream(
        &mut self,
        found: &Found,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let Some((plan, place)) = self.read_stream(found, budget)? else {
            return Ok(Flow::Continue);
        };
        let name = self.stream_name(found.number);
        self.note_plan(&name, &plan, &place);
        let locked = self.stream_lock(found, &plan);
        for chain in &plan.chains {
            let (view, wrong) = self.decoded(&place, chain, locked, budget)?;
            let is_decoded = matches!(view, View::Decoded(_));
            let mut flow =
                self.hand_over((found.number, &name), view, &place, (budget, &mut *members))?;
            self.check_wrong(&name, &place, wrong)?;
            // A trailer that speaks of no encryption may be the one that a reader believes.
            let is_doubtful = locked.is_some() && chain.is_empty() && self.survey.has_plain_trailer;
            if is_doubtful && is_decoded && flow == Flow::Continue {
                flow = self.hand_over(
                    (found.number, &name),
                    View::Stored,
                    &place,
                    (budget, &mut *members),
                )?;
            }
            if flow == Flow::Stop {
                return Ok(flow);
            }
        }
        Ok(Flow::Continue)
    }

    /// What a stream's dictionary says and where its bytes lie; `None` where it has none.
    fn read_stream(
        &mut self,
        found: &Found,
        budget: &mut Budget,
    ) -> Result<Option<(Plan, Place)>, Stop> {
        let (source, effort) = (self.source, self.effort);
        let (stated, word) = with_text(
            (source, effort),
            found.offset,
            budget,
            |text, outline, _| (Stated::parse(text), outline.stream),
        )?;
        let plan = self.plan(stated, budget)?;
        let data = word.map_or(found.offset, |word| {
            found.offset.saturating_add(word as u64)
        });
        let place = self.place(data, &plan.lengths)?;
        let is_empty = place.starts.first().is_none_or(|start| *start >= place.end);
        if is_empty && place.is_ended {
            return Ok(None);
        }
        Ok(Some((plan, place)))
    }

    fn hand_over(
        &mut self,
        (number, name): (u32, &[u8]),
        view: View,
        place: &Place,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let output = match view {
            View::Decoded(output) if self.scripts.contains(&number) => {
                return self.script_output(number, output, budget, members);
            }
            View::Decoded(output) => output,
            View::Stored => {
                let offset = place.starts.first().copied().unwrap_or(place.end);
                let size_bytes = place.end.saturating_sub(offset);
                if size_bytes == 0 {
                    return Ok(Flow::Continue);
                }
                self.stored.spend_bytes(size_bytes)?;
                let content = Content::Range { offset, size_bytes };
                return Ok(members.member(Member { name, content }, budget));
            }
        };
        if output.bytes().is_empty() {
            output.discard(budget);
            return Ok(Flow::Continue);
        }
        let (flow, tally) = output.hand_over(name, members, budget);
        self.tally = tally;
        Ok(flow)
    }

    fn stream_name(&self, number: u32) -> Vec<u8> {
        if self.scripts.contains(&number) {
            return format!("(javascript {number})").into_bytes();
        }
        let name = self.files.get(&number).cloned();
        name.unwrap_or_else(|| format!("(object {number})").into_bytes())
    }

    fn note_plan(&mut self, name: &[u8], plan: &Plan, place: &Place) {
        let offset = place.starts.first().copied().unwrap_or(0);
        if !place.is_ended {
            let stop = Stop::malformed("nothing says where the stream ends");
            self.troubles.note_member(name, offset, stop);
        }
        if plan.is_cut {
            let stop = Stop::unsupported("the stream has more filters than are undone");
            self.troubles.note_member(name, offset, stop);
        }
        for chain in &plan.chains {
            if let Some(filter) = Plan::unknown(chain) {
                let stop = Stop::unsupported(format!("filter {filter} is not supported"));
                self.troubles.note_member(name, offset, stop);
            }
        }
    }

    /// Notes what was wrong with a stream; gives a limit back that ends the document.
    fn check_wrong(&mut self, name: &[u8], place: &Place, wrong: Option<Stop>) -> Result<(), Stop> {
        let Some(stop) = wrong else {
            return Ok(());
        };
        if stop.is_limit() || stop.reason == Reason::LimitRatio {
            return Err(stop);
        }
        // What can't be read without the password was said already.
        if !(self.is_locked && stop.reason == Reason::Malformed) {
            let offset = place.starts.first().copied().unwrap_or(0);
            self.troubles.note_member(name, offset, stop);
        }
        Ok(())
    }

    /// Whether the file goes on to where a document ends.
    fn check_end(&mut self) {
        let size = self.source.size_bytes();
        if self.survey.stated_bytes.is_some_and(|stated| stated > size) {
            let stop = Stop::malformed("the file is shorter than it says");
            self.troubles.note(size, stop);
        }
        let last = self.survey.objects.list().last().map(|found| found.offset);
        if last.is_none()
            && read_part(self.source, 0, HEAD_BYTES).is_ok_and(|head| only_speaks(&head))
        {
            return;
        }
        if self.survey.last_end <= last {
            self.troubles
                .note(size, Stop::malformed("document ends early"));
        }
    }
}

/// Whether a text only speaks of the format.
fn only_speaks(head: &[u8]) -> bool {
    let before = find(head, MAGIC, 0).and_then(|at| head.get(..at));
    is_text(head) && before.is_some_and(|before| !begins(before))
}
