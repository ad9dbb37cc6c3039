//! The text of Visual Basic modules: as the lists of their projects lead to it, and what looks
//! like it elsewhere.

use std::collections::BTreeMap;

use proto::Budget;

use crate::Source;
use crate::decode::ovba;
use crate::formats::ole2::directory::{Entry, folded};
use crate::formats::ole2::extents::Stream;
use crate::formats::ole2::normal::{Letters, Project};
use crate::formats::ole2::{Document, vba};
use crate::input::Input;
use crate::members::{Flow, Members, Stop};
use crate::output::Output;

/// What the index of names costs for each entry.
const INDEX_BYTES: u64 = 160;

/// Streams by the storage that they are in and their name.
type Index = BTreeMap<(u32, Vec<u16>), Vec<usize>>;

impl Document<'_> {
    /// Modules, where the lists of their projects say that they are.
    pub(super) fn listed_modules(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let lists = std::mem::take(&mut self.lists);
        if lists.is_empty() {
            return Ok(Flow::Continue);
        }
        let held = (self.directory.count() as u64).saturating_mul(INDEX_BYTES);
        budget.hold_memory(held)?;
        let index = self.index();
        let mut flow = Ok(Flow::Continue);
        for list in lists {
            flow = self.modules_of(list, &index, budget, members);
            if !matches!(flow, Ok(Flow::Continue)) {
                break;
            }
        }
        budget.release_memory(held);
        flow
    }

    /// Texts that look like those of modules and that no list led to.
    pub(super) fn found_modules(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let found: Vec<_> = std::mem::take(&mut self.found).into_iter().collect();
        let mut project = Project::new(members, Letters::Western, self.tally);
        let mut flow = Ok(Flow::Continue);
        for of_stream in found.chunk_by(|one, other| one.0 == other.0) {
            let Some((index, _)) = of_stream.first() else {
                continue;
            };
            let places: Vec<u64> = of_stream.iter().map(|(_, offset)| *offset).collect();
            let name = format!("(vba) {}", self.directory.path(*index));
            let texts = (*index, places.as_slice());
            flow = self.texts(name.as_bytes(), texts, budget, &mut project);
            if !matches!(flow, Ok(Flow::Continue)) {
                break;
            }
        }
        let finished = project.finish(*flow.as_ref().unwrap_or(&Flow::Stop), budget);
        flow.and(finished)
    }

    fn index(&self) -> Index {
        let mut index = Index::new();
        for at in 1..self.directory.count() {
            if let Some(entry) = self.directory.entry(at).filter(Entry::is_stream)
                && let Some(parent) = self.directory.parent(at)
            {
                let name = folded(entry.units().iter().copied()).collect();
                index.entry((parent, name)).or_default().push(at);
            }
        }
        index
    }

    fn modules_of(
        &mut self,
        list: usize,
        index: &Index,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let Some(parent) = self.directory.parent(list) else {
            return Ok(Flow::Continue);
        };
        let (modules, letters) = self.listed(list, budget)?;
        let mut project = Project::new(members, letters, self.tally);
        let mut flow = Ok(Flow::Continue);
        for module in modules {
            flow = self.module(&module, (parent, index), budget, &mut project);
            if !matches!(flow, Ok(Flow::Continue)) {
                break;
            }
        }
        let finished = project.finish(*flow.as_ref().unwrap_or(&Flow::Stop), budget);
        flow.and(finished)
    }

    /// The text of one module that a list names.
    fn module(
        &mut self,
        module: &vba::Module,
        (parent, index): (u32, &Index),
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let Some(offset) = module.offset else {
            return Ok(Flow::Continue);
        };
        let named = |units: &Vec<u16>| {
            let name: Vec<u16> = folded(units.iter().copied()).collect();
            index.get(&(parent, name))
        };
        let name = [b"(vba) ", module.name.as_slice()].concat();
        let Some(streams) = module.streams.iter().find_map(named) else {
            let stop = Stop::malformed("module has no stream");
            self.troubles.note_member(&name, 0, stop);
            return Ok(Flow::Continue);
        };
        for stream in streams {
            self.found.remove(&(*stream, offset));
            if self.texts(&name, (*stream, &[offset]), budget, members)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// The modules that a list names, and how their letters are written.
    fn listed(
        &mut self,
        list: usize,
        budget: &mut Budget,
    ) -> Result<(Vec<vba::Module>, Letters), Stop> {
        let Some(entry) = self.directory.entry(list) else {
            return Ok((Vec::new(), Letters::Other));
        };
        let extents = self.extents(&entry, budget)?;
        let stream = Stream {
            source: self.source,
            extents: &extents,
        };
        let mut output = Output::new(self.tally);
        let mut input = Input::whole(&stream);
        let decoded = ovba::decompress(&mut input, &mut output, budget);
        let (modules, ended) = vba::modules(output.bytes());
        let letters = vba::letters(output.bytes());
        self.tally = output.discard(budget);
        let size_bytes = stream.size_bytes();
        extents.release(budget);
        self.count_read(size_bytes)?;
        match decoded.and(ended) {
            Err(stop) if stop.is_limit() => return Err(stop),
            Err(stop) => {
                let path = self.directory.path(list);
                self.troubles.note_member(path.as_bytes(), 0, stop);
            }
            Ok(()) => {}
        }
        Ok((modules, letters))
    }

    /// Decompresses the texts that begin at some places of a stream.
    fn texts(
        &mut self,
        name: &[u8],
        (index, places): (usize, &[u64]),
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let Some(entry) = self.directory.entry(index) else {
            return Ok(Flow::Continue);
        };
        let extents = self.extents(&entry, budget)?;
        let stream = Stream {
            source: self.source,
            extents: &extents,
        };
        let mut flow = self
            .count_read(stream.size_bytes())
            .map(|()| Flow::Continue);
        let mut after = 0;
        for place in places {
            if !matches!(flow, Ok(Flow::Continue)) {
                break;
            }
            // What lies in a text that was decoded is a part of that one.
            if *place >= after {
                let mut input = Input::new(&stream, *place, u64::MAX);
                let decode = ovba::decompress;
                flow = self.decoded(name, &mut input, decode, (&mut *budget, &mut *members));
                after = input.offset();
            }
        }
        extents.release(budget);
        flow
    }
}
