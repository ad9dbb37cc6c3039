//! Objects by their numbers, those inside streams of objects among them; scripts and strings that
//! are objects of their own.

use proto::{Budget, Reason};

use crate::formats::pdf::Document;
use crate::formats::pdf::lex::{Lexer, Token, string_bytes};
use crate::formats::pdf::object::{Script, outline, scripts, strings, with_text};
use crate::formats::pdf::plan::Stated;
use crate::formats::pdf::stream::{Place, View};
use crate::formats::pdf::survey::{Found, Kind};
use crate::formats::pdf::values::{Value, value};
use crate::members::{Flow, Members, Stop};
use crate::output::Output;

/// Objects of one number that are looked at.
const SAME_MAX: usize = 4;
/// What is kept of an object that others refer to: a number, a name, a list of filters.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Texts inside streams that are kept for those that refer to them; strings of any length are.
const INNER_BYTES_MAX: usize = 512;

impl Document<'_> {
    /// Puts the objects in the order of their numbers.
    pub(super) fn sort(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        for (place, found) in self.survey.objects.list().iter().enumerate() {
            let place = u32::try_from(place).map_err(|_| Reason::LimitMemory)?;
            self.index.push((found.number, place), budget)?;
        }
        self.index.list_mut().sort_unstable();
        Ok(())
    }

    /// The texts of the objects with a number, the newest first, each different from the others.
    pub(super) fn texts(&self, number: u32, budget: &mut Budget) -> Result<Vec<Vec<u8>>, Stop> {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for found in self.numbered(number).take(SAME_MAX) {
            let text = with_text(
                (self.source, self.effort),
                found.offset,
                budget,
                |text, _, _| text.get(..TEXT_BYTES_MAX).unwrap_or(text).to_vec(),
            )?;
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        for text in self.inner_numbered(number).take(SAME_MAX) {
            let text = text.get(..TEXT_BYTES_MAX).unwrap_or(text);
            self.effort.spend(text.len())?;
            if !texts.iter().any(|known| known == text) {
                texts.push(text.to_vec());
            }
        }
        Ok(texts)
    }

    /// Hands over the streams of objects, and notes what the objects in them say.
    pub(super) fn object_streams(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        // Those whose filters are said by other objects come last: some of these lie in the others.
        for is_last in [false, true] {
            for place in 0..self.survey.objects.list().len() {
                let Some(found) = self.survey.objects.list().get(place).copied() else {
                    break;
                };
                if found.kind != Kind::Objects {
                    continue;
                }
                let (source, effort) = (self.source, self.effort);
                let is_elsewhere =
                    with_text((source, effort), found.offset, budget, |text, _, _| {
                        Stated::parse(text).is_elsewhere()
                    })?;
                if is_elsewhere == is_last
                    && self.object_stream(&found, budget, members)? == Flow::Stop
                {
                    return Ok(Flow::Stop);
                }
            }
            self.inner.list_mut().sort_by_key(|(number, _)| *number);
            self.inner_sorted = self.inner.list().len();
        }
        Ok(Flow::Continue)
    }

    /// Hands over the strings and other texts that a script's number leads to.
    pub(super) fn script_objects(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        for number in self.scripts.clone() {
            let found: Vec<Found> = self.numbered(number).take(SAME_MAX).collect();
            let (source, effort) = (self.source, self.effort);
            for found in found.iter().filter(|found| found.kind == Kind::Value) {
                let locked = self.string_lock(found);
                let flow =
                    with_text((source, effort), found.offset, budget, |text, _, budget| {
                        match lone_string(text) {
                            Some(bytes) => self.script((number, locked), &bytes, budget, members),
                            None => Ok(Flow::Continue),
                        }
                    })??;
                if flow == Flow::Stop {
                    return Ok(flow);
                }
            }
            let inner: Vec<Vec<u8>> = self
                .inner_numbered(number)
                .take(SAME_MAX)
                .filter_map(lone_string)
                .collect();
            for bytes in inner {
                if self.script((number, None), &bytes, budget, members)? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
        }
        Ok(Flow::Continue)
    }

    /// Hands over all strings of an encrypted document: nothing else shows their contents.
    pub(super) fn strings(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<(), Stop> {
        if self.keys.is_none() {
            return Ok(());
        }
        let mut output = Output::new(self.tally);
        let mut finished = Ok(());
        for found in self.survey.objects.list() {
            let Some(locked) = self.string_lock(found).filter(|_| found.has_text) else {
                continue;
            };
            let collected = with_text(
                (self.source, self.effort),
                found.offset,
                budget,
                |text, _, budget| {
                    for bytes in strings(text) {
                        self.decrypted(Some(locked), &bytes, &mut output, budget)?;
                        output.push(b"\n", budget, u64::MAX)?;
                    }
                    Ok(())
                },
            );
            finished = collected.and_then(|collected| collected);
            if finished.is_err() {
                break;
            }
        }
        match output.bytes().is_empty() {
            true => {
                output.discard(budget);
            }
            false => self.tally = output.hand_over(b"(strings)", members, budget).1,
        }
        finished
    }

    /// The objects of the file with a number, the newest first.
    fn numbered(&self, number: u32) -> impl Iterator<Item = Found> + '_ {
        let index = self.index.list();
        let begin = index.partition_point(|(other, _)| *other < number);
        let end = index.partition_point(|(other, _)| *other <= number);
        let same = index.get(begin..end).unwrap_or_default();
        same.iter().rev().filter_map(|(_, place)| {
            let place = usize::try_from(*place).ok()?;
            self.survey.objects.list().get(place).copied()
        })
    }

    /// The same for those inside streams.
    fn inner_numbered(&self, number: u32) -> impl Iterator<Item = &[u8]> + '_ {
        let inner = self
            .inner
            .list()
            .get(..self.inner_sorted)
            .unwrap_or_default();
        let begin = inner.partition_point(|(other, _)| *other < number);
        let end = inner.partition_point(|(other, _)| *other <= number);
        let same = inner.get(begin..end).unwrap_or_default();
        same.iter().rev().map(|(_, text)| &**text)
    }

    fn object_stream(
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
            let view = match view {
                View::Stored => View::Decoded(self.stored_copy(&place, budget)?),
                decoded => decoded,
            };
            let View::Decoded(output) = view else {
                continue;
            };
            let noted = self.inner_objects(output.bytes(), plan.first, (budget, &mut *members));
            if !matches!(noted, Ok(Flow::Continue)) {
                output.discard(budget);
                return noted;
            }
            let view = View::Decoded(output);
            let named = (found.number, name.as_slice());
            let handed = self.hand_over(named, view, &place, (budget, &mut *members))?;
            if handed == Flow::Stop {
                return Ok(handed);
            }
            self.check_wrong(&name, &place, wrong)?;
        }
        Ok(Flow::Continue)
    }

    /// A stream of objects that no filter hides.
    fn stored_copy(&self, place: &Place, budget: &mut Budget) -> Result<Output, Stop> {
        let start = place.starts.first().copied().unwrap_or(place.end);
        let size_bytes = place.end.saturating_sub(start);
        self.stored.spend_bytes(size_bytes)?;
        let mut input = crate::input::Input::new(self.source, start, size_bytes);
        let mut output = Output::new(self.tally);
        let copied = super::filters::copy(&mut input, &mut output, budget);
        if let Err(stop) = copied {
            output.discard(budget);
            return Err(stop);
        }
        Ok(output)
    }

    /// Notes what each object of a stream says, and hands over the scripts that stand there.
    fn inner_objects(
        &mut self,
        bytes: &[u8],
        first: Option<i64>,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let first = usize::try_from(first.unwrap_or(0)).unwrap_or(0);
        let mut header = Lexer::new(bytes);
        loop {
            budget.check_time()?;
            let (Some((_, Token::Int(number))), Some((_, Token::Int(offset)))) =
                (header.next(), header.next())
            else {
                return Ok(Flow::Continue);
            };
            let number = u32::try_from(number).unwrap_or(0);
            let begin = usize::try_from(offset)
                .ok()
                .and_then(|offset| offset.checked_add(first));
            let Some(text) = begin.and_then(|begin| bytes.get(begin..)) else {
                continue;
            };
            let size = value_bytes(text);
            self.effort.spend(size)?;
            let text = text.get(..size).unwrap_or(text);
            if self.inner_object(number, text, (budget, &mut *members))? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
    }

    fn inner_object(
        &mut self,
        number: u32,
        text: &[u8],
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let outline = outline(text, true, self.effort)?.unwrap_or_default();
        if outline.has_script || outline.has_files {
            self.note_links(text, None, budget)?;
        }
        if text.len() <= INNER_BYTES_MAX || lone_string(text).is_some() {
            let size = text.len().saturating_add(super::ENTRY_BYTES);
            self.inner.hold(size, budget)?;
            self.inner.push((number, text.into()), budget)?;
        }
        if outline.has_script {
            for script in scripts(text) {
                if let Script::Text(bytes) = script
                    && self.script((number, None), &bytes, budget, members)? == Flow::Stop
                {
                    return Ok(Flow::Stop);
                }
            }
        }
        Ok(Flow::Continue)
    }
}

/// How much of a text its first value takes.
fn value_bytes(text: &[u8]) -> usize {
    let mut lexer = Lexer::new(text);
    match lexer.next() {
        Some((_, Token::DictOpen | Token::ArrayOpen)) => {
            lexer.inside();
        }
        Some((_, Token::Int(_))) => {
            // It may be a reference.
            let mut ahead = lexer.clone();
            ahead.next();
            if let Some((_, Token::Word(b"R"))) = ahead.next() {
                lexer = ahead;
            }
        }
        _ => {}
    }
    lexer.at()
}

/// The bytes of a text that is a string and nothing else.
fn lone_string(text: &[u8]) -> Option<Vec<u8>> {
    match value(text) {
        Some(Value::Text(token)) => string_bytes(token),
        _ => None,
    }
}
