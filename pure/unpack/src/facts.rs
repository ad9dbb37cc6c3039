//! Structure facts: what signatures ask of an executable.

/// The executable formats that offsets and section hashes speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Portable Executable.
    Pe,
    /// Executable and Linkable Format.
    Elf,
}

/// A section (of a PE file) or a segment or section (of an ELF file), as it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Section {
    /// Where its bytes begin in the file.
    pub raw_offset: u64,
    /// How many bytes it has in the file.
    pub raw_size_bytes: u64,
    /// Its address when loaded, relative to the image's base (PE) or absolute (ELF).
    pub address: u64,
    /// Its size when loaded.
    pub size_in_memory: u64,
}

/// What was found out about an executable. What could not be is `None`, never a guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which format.
    pub structure: Structure,
    /// The entry point as an offset in the file.
    pub entry_point: Option<u64>,
    /// The sections in header order.
    pub sections: Vec<Section>,
    /// What the import hash is computed over (`dll.function,…`, lower case); PE only, where there
    /// are imports.
    pub import_text: Option<Vec<u8>>,
    /// Where the bytes begin that no header accounts for.
    pub overlay_offset: Option<u64>,
}
