//! Compiles sources into a pack.

use std::os::fd::OwnedFd;

use kernel::map::Map;
use proto::{CompileSource, Reply};
use rules::{Compiler, IgnoreList, Pack, SourceKind};

use crate::serve::summary;
use crate::sources::Sources;

/// A compilation whose sources are still coming.
#[derive(Default)]
pub(crate) struct Compilation {
    sources: Sources,
}

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

impl Compilation {
    /// Takes more sources.
    pub(crate) fn add_sources(
        &mut self,
        sources: Vec<CompileSource>,
        files: Vec<OwnedFd>,
    ) -> Result<(), String> {
        if sources.len() != files.len() {
            return Err("the sources came with too many or too few files".to_string());
        }
        for (source, file) in sources.into_iter().zip(files) {
            self.sources.add(source.label, file);
        }
        Ok(())
    }

    /// Compiles them into the output.
    pub(crate) fn finish(mut self, output: &OwnedFd) -> Result<Reply, String> {
        self.sources.sort();
        let compiler = self.compile().map_err(|error| error.to_string())?;
        let pack_bytes = write(compiler, output)
            .map_err(|error| format!("the pack can't be written: {error}"))?;
        let map = Map::read_only(output)
            .map_err(|error| format!("the pack can't be read back: {error}"))?;
        let pack = Pack::open(&map).map_err(|error| error.to_string())?;
        Ok(Reply::Compiled {
            pack_bytes,
            summary: summary(&pack),
        })
    }

    fn compile(&self) -> Result<Compiler, rules::CompileError> {
        let mut ignores = IgnoreList::default();
        let mut lists = Vec::new();
        for source in self.texts_of(SourceKind::Ignore) {
            let lines = source.read().map(|text| ignores.add(&source.label, &text));
            lists.push((source.label.as_str(), lines));
        }
        let mut compiler = Compiler::new(ignores);
        for (label, lines) in lists {
            match lines {
                Ok(lines) => compiler.note_ignore_list(label, lines),
                Err(why) => compiler.refuse(label, &why)?,
            }
        }
        for container in &self.sources.containers {
            compiler.note_container(
                &container.label,
                container.note.clone(),
                container.warning.clone(),
            );
        }
        for source in &self.sources.texts {
            match source.read() {
                Ok(text) => compiler.add(&source.label, &text)?,
                Err(_) if SourceKind::of(&source.label) == SourceKind::Ignore => {}
                Err(why) => compiler.refuse(&source.label, &why)?,
            }
        }
        Ok(compiler)
    }

    fn texts_of(&self, kind: SourceKind) -> impl Iterator<Item = &crate::sources::SourceText> {
        self.sources
            .texts
            .iter()
            .filter(move |source| SourceKind::of(&source.label) == kind)
    }
}

fn write(compiler: Compiler, output: &OwnedFd) -> std::io::Result<u64> {
    let mut offset = 0u64;
    let mut waiting = Vec::with_capacity(WRITE_BYTES);
    let mut flush = |waiting: &mut Vec<u8>| {
        kernel::file::write_all_at(output, offset, waiting)?;
        offset = offset.saturating_add(waiting.len() as u64);
        waiting.clear();
        Ok::<_, std::io::Error>(())
    };
    let length = compiler.finish(&mut |piece: &[u8]| {
        for part in piece.chunks(WRITE_BYTES) {
            if waiting.len().saturating_add(part.len()) > WRITE_BYTES {
                flush(&mut waiting)?;
            }
            waiting.extend_from_slice(part);
        }
        Ok::<_, std::io::Error>(())
    })?;
    flush(&mut waiting)?;
    Ok(length)
}
