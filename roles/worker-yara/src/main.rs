//! The worker with YARA rules: `candor-worker`, and YARA-X to compile and run them.
//!
//! A program of its own, so that the worker that scans without YARA rules has none of it: neither
//! its code, nor its memory, nor its time to start. The interpreter's code is data; no memory ever
//! becomes executable. Refuses to read a file of its own accord: an `include` finds only what was
//! handed over.

mod allowed_calls;
mod arrange;
mod bundle;
mod compile;
mod group;
#[cfg(test)]
mod same;
mod scan;

use std::process::ExitCode;

use kernel::map::Map;
use proto::Definition;
use worker::yara::{YaraCode, YaraEngine, YaraOutcome, YaraPlaced, YaraScan, YaraText};

use crate::arrange::{Arranged, arrange, arranged_before};

fn main() -> ExitCode {
    worker::run(&worker::Program {
        allowed_calls: allowed_calls::ALLOWED,
        yara: Some(&YaraX),
    })
}

/// YARA-X.
struct YaraX;

impl YaraEngine for YaraX {
    fn prepare(&self) {
        wasmtime::Engine::tls_eager_initialize();
    }

    fn compile<'a>(
        &self,
        texts: &[YaraText<'a>],
        definitions: &[Definition],
    ) -> Result<YaraOutcome<'a>, String> {
        let mut sources = arrange(texts);
        let code = compile::compile(&mut sources, definitions)?;
        let sources = sources.into_iter().map(Arranged::into_source).collect();
        Ok(YaraOutcome { sources, code })
    }

    fn compile_again(
        &self,
        sources: &[YaraPlaced<'_>],
        definitions: &[Definition],
    ) -> Result<YaraCode, String> {
        let placed = sources
            .iter()
            .map(|source| arranged_before(source.text, source.namespace));
        compile::compile(&mut placed.collect::<Vec<_>>(), definitions)
    }

    fn open(&self, code: Map, start: usize) -> Result<Box<dyn YaraScan>, String> {
        Ok(Box::new(scan::Loaded::new(code, start)?))
    }
}
