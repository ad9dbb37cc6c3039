//! Body signatures: from hexadecimal text to parts that a matcher can run.
//!
//! `*` and `{n-m}` cut a signature into parts. Each part needs two static bytes, and from those
//! one literal is chosen that the scanner searches for; the rest of the part is checked around it.

mod parse;
mod program;
mod runs;
mod style;

pub use crate::anchors::Literal;
pub use parse::{Class, Gap, MaskedByte, Position, Sense};
pub use program::{Choices, Damaged, Direction, Instruction, Program, Steps};

pub(crate) use crate::anchors::{Chosen, choose};
pub(crate) use parse::{Element, Part, parse, parse_styled};
pub(crate) use program::encode;
pub(crate) use runs::runs;
pub(crate) use style::{Case, Style, Width, Words};

/// No part is longer, so that a scanner's windows can overlap by this much.
pub const PART_BYTES_MAX: usize = 16 * 1024;
