//! May I run it on this system? A system file, a product's dossier, evidence and a policy pack in;
//! a decision with its reasons out.
//!
//! Decides nothing by itself: the rules are the pack's, each with its citation and its authority.
//! What is unknown is never read as reassurance. Refuses anything that says where a person comes
//! from.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod acceptance;
mod answer;
mod catalogue;
mod check;
mod counterfactual;
mod date;
mod decide;
mod dossier;
mod facts;
mod json;
mod logic;
mod node;
mod ownership;
mod pack;
mod page;
mod persons;
mod portfolio;
#[cfg(test)]
mod schemas;
mod shipped;
mod system;
mod text;
mod toml_reader;
mod view;

pub use acceptance::{Acceptance, AcceptanceState};
pub use answer::{portfolio_to_json, to_json};
pub use catalogue::{Area, Changer, FactName, Side};
pub use check::{Breach, model_check};
pub use counterfactual::{Change, ChangeSet, Counterfactuals};
pub use date::Date;
pub use decide::{Case, Decision, FiredRule, Outcome, decide};
pub use dossier::Dossier;
pub use facts::{FactFinding, Known, Reason, derive, is_about_system};
pub use json::{parse as parse_json, write as write_json};
pub use logic::Truth;
pub use node::{Entry, Node, ReadError, Value};
pub use ownership::{Control, Ownership};
pub use pack::{Authority, Effect, Pack, Rule, Sourcing};
pub use page::to_html;
pub use portfolio::{Grounds, PortfolioRow, Reopened, portfolio, reopened};
pub use shipped::{shipped_dossiers, shipped_packs, shipped_systems};
pub use system::System;
pub use text::{explain, to_text};
