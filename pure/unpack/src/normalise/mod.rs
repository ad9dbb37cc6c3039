//! Text and HTML once more, in the form that signatures for them are written against: lower case,
//! white space collapsed, tags and comments gone, references resolved, scripts by themselves.
//!
//! What counts as text and as HTML, and what becomes of each byte, was found by watching what
//! clamscan 1.4.6 leaves in its temporary folder. A view is a rendering of an object that is looked
//! at anyway; it adds no bytes that were hidden, except for `data:` links, which are members.

mod entities;
mod html;
mod links;
mod marks;
mod script;
mod text;

pub use html::{HtmlViews, html};
pub use links::links;
pub use marks::{Normal, normal};
pub use text::{NormalisedText, TextStop};

/// The names of views, as they stand in a member path.
pub mod names {
    /// Text in lower case, with its white space collapsed.
    pub const TEXT: &[u8] = b"(normalised text)";
    /// HTML without its comments.
    pub const WITHOUT_COMMENTS: &[u8] = b"(html without comments)";
    /// HTML without its tags.
    pub const WITHOUT_TAGS: &[u8] = b"(html without tags)";
    /// The scripts of an HTML document.
    pub const SCRIPTS: &[u8] = b"(scripts)";
}
