//! Runs of static bytes in a part: what a literal can be taken from.

use super::parse::{Element, Position};

/// Bytes in a row that are fixed but for the case of letters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The bytes. Letters that match in either case are in lower case.
    pub(crate) bytes: Vec<u8>,
    /// The element in which it begins, at that element's first byte.
    pub(crate) element: usize,
    /// Where each further element that it spans begins in it.
    joints: Vec<usize>,
}

impl Run {
    /// The element that holds one of the run's bytes, and the byte's place there.
    pub(crate) fn place(&self, index: usize) -> (usize, usize) {
        let before = self.joints.iter().take_while(|joint| **joint <= index);
        let (count, start) = before.fold((0usize, 0usize), |(count, _), joint| {
            (count.saturating_add(1), *joint)
        });
        (
            self.element.saturating_add(count),
            index.saturating_sub(start),
        )
    }
}

/// The runs of a part, in order.
pub(crate) fn runs(elements: &[Element]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut goes_on = false;
    for (element, piece) in elements.iter().enumerate() {
        let bytes = match piece {
            Element::Bytes(bytes) | Element::Folded(bytes) => bytes,
            // Looks, and takes nothing.
            Element::Class(_, Position::Leading | Position::Trailing, _) => continue,
            _ => {
                goes_on = false;
                continue;
            }
        };
        match runs.last_mut().filter(|_| goes_on) {
            Some(run) => {
                run.joints.push(run.bytes.len());
                run.bytes.extend(bytes);
            }
            None => runs.push(Run {
                bytes: bytes.clone(),
                element,
                joints: Vec::new(),
            }),
        }
        goes_on = true;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_knows_the_element_of_each_of_its_bytes() {
        let elements = [
            Element::Bytes(b"AB".to_vec()),
            Element::Folded(b"cd".to_vec()),
            Element::Bytes(b"EFG".to_vec()),
            Element::Any(1),
            Element::Bytes(b"H".to_vec()),
        ];
        let runs = runs(&elements);
        let texts: Vec<&[u8]> = runs.iter().map(|run| run.bytes.as_slice()).collect();
        assert_eq!(texts, [&b"ABcdEFG"[..], b"H"]);
        let places: Vec<_> = (0..7).map(|index| runs[0].place(index)).collect();
        assert_eq!(
            places,
            [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
        );
        assert_eq!(runs[1].place(0), (4, 0));
    }
}
