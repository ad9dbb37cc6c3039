//! What `candor` asks of the process that judges evidence: a task, its settings, and files that
//! travel beside it as descriptors.

use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::{CodecError, Decode, Encode, Reader, Writer};

/// A task about files that nobody but a jailed process reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What is to be done: `verify`, `show`…
    pub task: String,
    /// How.
    pub settings: Vec<Setting>,
    /// What the descriptors are, in their order.
    pub files: Vec<NamedFile>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// What it is for the task: `policy`, `bundle`…
    pub part: String,
    /// What it is called in answers: a name, never a path that anybody opens.
    pub label: String,
}

impl Question {
    /// The value of a setting.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        settings
            .find(|setting| setting.key == key)
            .map(|setting| setting.value.as_str())
    }
}

impl Encode for Question {
    fn encode(&self, out: &mut Writer) {
        self.task.encode(out);
        self.settings.encode(out);
        self.files.encode(out);
    }
}

impl Decode for Question {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            task: Decode::decode(input)?,
            settings: Decode::decode(input)?,
            files: Decode::decode(input)?,
        })
    }
}

impl Encode for Setting {
    fn encode(&self, out: &mut Writer) {
        self.key.encode(out);
        self.value.encode(out);
    }
}

impl Decode for Setting {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            key: Decode::decode(input)?,
            value: Decode::decode(input)?,
        })
    }
}

impl Encode for NamedFile {
    fn encode(&self, out: &mut Writer) {
        self.part.encode(out);
        self.label.encode(out);
    }
}

impl Decode for NamedFile {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            part: Decode::decode(input)?,
            label: Decode::decode(input)?,
        })
    }
}
