//! Compiles sources into a pack, and YARA rules into what a scan runs.

use std::os::fd::OwnedFd;

use kernel::map::Map;
use proto::{CompileSource, Decode, Definition, Encode, Reply, YARA_HEADER_BYTES};
use rules::{Compiler, IgnoreList, Pack, SourceKind, YaraCompiled, YaraRule};

use crate::serve::summary;
use crate::sources::Sources;
use crate::yara::{self, YaraCode, YaraEngine, YaraPlaced, YaraSource, YaraText};

/// A compilation whose sources are still coming.
#[derive(Default)]
pub(crate) struct Compilation {
    sources: Sources,
}

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;
/// No YARA source is longer: the largest that is published has a few megabytes.
const YARA_SOURCE_BYTES_MAX: usize = 64 << 20;

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

    /// Compiles them into the outputs: the pack, and where there is a second what its YARA rules
    /// compile to.
    pub(crate) fn finish(
        mut self,
        engine: Option<&dyn YaraEngine>,
        definitions: &[Definition],
        outputs: &[OwnedFd],
    ) -> Result<Reply, String> {
        let output = outputs.first().ok_or("a compilation needs an output")?;
        self.sources.sort();
        let mut compiler = self.compile().map_err(|error| error.to_string())?;
        let compiled = self.compile_yara(&mut compiler, engine, definitions)?;
        let pack_bytes = write(compiler, output)
            .map_err(|error| format!("the pack can't be written: {error}"))?;
        let yara_bytes = match (compiled, outputs.get(1)) {
            (Some(code), Some(output)) => write_yara(&code, output)?,
            _ => 0,
        };
        let map = Map::read_only(output)
            .map_err(|error| format!("the pack can't be read back: {error}"))?;
        let pack = Pack::open(&map).map_err(|error| error.to_string())?;
        Ok(Reply::Compiled {
            pack_bytes,
            yara_bytes,
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

    /// The YARA sources, all together. One that could not be read was refused already.
    fn compile_yara(
        &self,
        compiler: &mut Compiler,
        engine: Option<&dyn YaraEngine>,
        definitions: &[Definition],
    ) -> Result<Option<YaraCode>, String> {
        let mut read = Vec::new();
        for source in self.texts_of(SourceKind::Yara) {
            let refused = match source.read() {
                Ok(_) if engine.is_none() => "this program compiles no YARA rules",
                Ok(text) if text.len() > YARA_SOURCE_BYTES_MAX => {
                    "a YARA source of more than 64 MiB"
                }
                Ok(text) => {
                    read.push((source.label.as_str(), text));
                    continue;
                }
                Err(_) => continue,
            };
            let refused = compiler.refuse(&source.label, refused);
            refused.map_err(|error| error.to_string())?;
        }
        let Some(engine) = engine.filter(|_| !read.is_empty()) else {
            return Ok(None);
        };
        let texts: Vec<_> = read
            .iter()
            .map(|(label, bytes)| YaraText { label, bytes })
            .collect();
        let definitions = yara::merged(definitions.iter().cloned());
        let outcome = engine.compile(&texts, &definitions)?;
        compiler.set_definitions(definitions.to_message());
        for source in &outcome.sources {
            add_yara(compiler, source).map_err(|error| error.to_string())?;
        }
        Ok(Some(outcome.code).filter(|code| code.rules > 0))
    }

    fn texts_of(&self, kind: SourceKind) -> impl Iterator<Item = &crate::sources::SourceText> {
        self.sources
            .texts
            .iter()
            .filter(move |source| SourceKind::of(&source.label) == kind)
    }
}

/// Compiles the YARA rules of a pack into the output. These definitions go before its own.
pub(crate) fn compile_yara_of(
    pack: &Pack<'_>,
    (engine, definitions): (&dyn YaraEngine, Vec<Definition>),
    output: &OwnedFd,
) -> Result<Reply, String> {
    let own = Vec::<Definition>::from_message(pack.yara_definitions())
        .map_err(|error| format!("the pack's definitions can't be read: {error}"))?;
    let mut labels = Vec::new();
    for source in pack.yara_sources() {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        labels.push((text(source.label), text(source.namespace), source.text));
    }
    let placed = labels.iter().map(|(label, namespace, bytes)| YaraPlaced {
        text: YaraText { label, bytes },
        namespace,
    });
    let sources: Vec<_> = placed.collect();
    let definitions = yara::merged(own.into_iter().chain(definitions));
    let code = engine.compile_again(&sources, &definitions)?;
    let (found, expected) = (code.rules, pack.yara_rules());
    if found != expected {
        return Err(format!(
            "{found} of the pack's {expected} YARA rules compile with this program and these \
             definitions; build the pack again with both"
        ));
    }
    Ok(Reply::YaraCompiled(write_yara(&code, output)?))
}

fn add_yara(compiler: &mut Compiler, source: &YaraSource<'_>) -> Result<(), rules::CompileError> {
    let rules: Vec<_> = source
        .rules
        .iter()
        .map(|rule| YaraRule {
            name: &rule.name,
            range: rule.range.clone(),
            line: rule.line,
            private: rule.is_private,
        })
        .collect();
    compiler.add_yara(&YaraCompiled {
        label: source.text.label,
        text: source.text.bytes,
        namespace: &source.namespace,
        rules: &rules,
        failures: &source.failures,
    })?;
    for label in &source.copies {
        compiler.note_same_yara(label, rules.len() as u64);
    }
    Ok(())
}

fn write_yara(code: &YaraCode, output: &OwnedFd) -> Result<u64, String> {
    kernel::file::write_all_at(output, YARA_HEADER_BYTES, &code.bytes)
        .map_err(|error| format!("the compiled YARA rules can't be written: {error}"))?;
    Ok(code.bytes.len() as u64)
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
