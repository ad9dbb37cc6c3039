//! Names become numbers once all groups are known, and what refers to no group is refused.

use super::Parser;
use super::escape::NO_SUCH_GROUP;
use crate::error::PatternError;
use crate::tree::{Node, Target, Test};

/// Looks at every use of a group, then puts numbers where the tree has names.
pub(super) fn resolve(tree: &mut Node, parser: &Parser<'_>) -> Result<(), PatternError> {
    for (target, offset) in &parser.uses {
        let is_known = match target {
            Target::Number(number) => (1..=parser.groups).contains(number),
            Target::Name(name) => number_of(parser, name).is_some(),
        };
        if !is_known {
            return Err(PatternError::Malformed {
                what: NO_SUCH_GROUP,
                offset: *offset,
            });
        }
    }
    number_all(tree, parser);
    match keeps_around(tree, false) {
        true => Err(PatternError::Malformed {
            what: "\\K in a look around",
            offset: 0,
        }),
        false => Ok(()),
    }
}

fn number_of(parser: &Parser<'_>, name: &[u8]) -> Option<u32> {
    parser.names.get(name).copied()
}

fn number_all(node: &mut Node, parser: &Parser<'_>) {
    let numbered = |target: &mut Target| {
        if let Target::Name(name) = target {
            *target = Target::Number(number_of(parser, name).unwrap_or(0));
        }
    };
    match node {
        Node::Reference { to, .. } | Node::Call(to) => numbered(to),
        Node::Condition(condition) => match &mut condition.test {
            Test::Captured(target) | Test::Called(Some(target)) => numbered(target),
            Test::Called(None) | Test::Define | Test::Around(_) => {}
        },
        _ => {}
    }
    for part in node.parts_mut() {
        number_all(part, parser);
    }
}

fn keeps_around(node: &Node, is_inside: bool) -> bool {
    let is_inside = is_inside || matches!(node, Node::Around(_));
    let is_found = is_inside && *node == Node::Keep;
    is_found
        || node
            .parts()
            .iter()
            .any(|part| keeps_around(part, is_inside))
}
