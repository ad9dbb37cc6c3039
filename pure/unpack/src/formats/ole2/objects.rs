//! What certain streams hold besides their own bytes: a packaged file, the objects of a
//! presentation.

use proto::Budget;

use crate::Source;
use crate::decode::deflate::inflate;
use crate::formats::ole2::extents::Stream;
use crate::formats::ole2::powerpoint::{self, Object, PACKED_HEADER_BYTES};
use crate::formats::ole2::{Document, Found};
use crate::formats::package;
use crate::input::{Input, read_part};
use crate::members::{Flow, Members, Stop};
use crate::output::Output;

/// What an object counts at least: setting up its decoder is not free.
const OBJECT_BYTES_MIN: u64 = 512;

impl Document<'_> {
    pub(super) fn objects(
        &mut self,
        found: &Found<'_>,
        stream: &Stream<'_>,
        passed: (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        if found.entry.is_named("\u{1}Ole10Native") {
            return self.native(found, stream, passed);
        }
        if found.entry.is_named("PowerPoint Document") {
            return self.presentation(found, stream, passed);
        }
        Ok(Flow::Continue)
    }

    /// A packaged file, where the native data of an object is one (MS-OLEDS 2.3.6).
    fn native(
        &mut self,
        found: &Found<'_>,
        stream: &Stream<'_>,
        passed: (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        const SIZE_BYTES: u64 = 4;
        let head = read_part(stream, SIZE_BYTES, package::HEAD_BYTES)?;
        let Some(file) = package::package(&head) else {
            return Ok(Flow::Continue);
        };
        let begin = file.offset.saturating_add(SIZE_BYTES);
        let left = stream.size_bytes().saturating_sub(begin);
        if file.size_bytes > left {
            self.trouble(found, Stop::malformed("packaged file ends early"));
        }
        let size_bytes = file.size_bytes.min(left);
        self.count_read(size_bytes)?;
        self.part(&file.name, stream, (begin, size_bytes), passed)
    }

    fn presentation(
        &mut self,
        found: &Found<'_>,
        stream: &Stream<'_>,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let mut search = Input::whole(stream);
        let mut number = 0u64;
        while let Some(object) = powerpoint::next_object(&mut search, budget)? {
            number = number.saturating_add(1);
            let name = [found.path, format!("/(object {number})").as_bytes()].concat();
            if self.object(&name, stream, object, (budget, &mut *members))? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    fn object(
        &mut self,
        name: &[u8],
        stream: &Stream<'_>,
        object: Object,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let left = stream.size_bytes().saturating_sub(object.offset);
        let size_bytes = object.size_bytes.min(left);
        if object.size_bytes > left {
            let stop = Stop::malformed("object ends early");
            self.troubles.note_member(name, object.offset, stop);
        }
        if !object.is_packed {
            self.count_read(size_bytes)?;
            return self.part(name, stream, (object.offset, size_bytes), (budget, members));
        }
        let begin = object.offset.saturating_add(PACKED_HEADER_BYTES);
        let packed_bytes = size_bytes.saturating_sub(PACKED_HEADER_BYTES);
        let mut input = Input::new(stream, begin, packed_bytes);
        let mut output = Output::new(self.tally);
        let mut ended = inflate(&mut input, &mut output, budget);
        // PowerPoint leaves the last block out now and then: the object is whole without it.
        let is_whole = object.unpacked_bytes == Some(output.bytes().len() as u64);
        if is_whole && input.left() == 0 {
            ended = Ok(());
        }
        let offset = input.offset();
        let flow = self.give(name, (output, ended), offset, (budget, members))?;
        self.count_read(input.consumed().max(OBJECT_BYTES_MIN))?;
        Ok(flow)
    }
}
