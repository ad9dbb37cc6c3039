//! What the modifiers of a logical signature's part (`::iwaf`) make of its bytes.

use super::parse::{Class, Element, MaskedByte, Part, Position, Sense, push_any};

/// How the bytes of a signature are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) width: Width,
    pub(crate) case: Case,
    pub(crate) words: Words,
}

/// How many bytes a character has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Width {
    /// One.
    #[default]
    Narrow,
    /// Two, the second of them zero (`w`).
    Wide,
}

/// Whether letters match in both cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    /// As they are.
    #[default]
    Exact,
    /// In both (`i`).
    Folded,
}

/// Whether a letter or digit may be a match's neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Words {
    /// It may.
    #[default]
    Inside,
    /// It may not (`f`).
    Whole,
}

impl Style {
    /// Adds a byte to a part.
    pub(super) fn push(self, elements: &mut Vec<Element>, byte: MaskedByte) {
        self.push_masked(elements, byte);
        if self.width == Width::Wide {
            self.push_masked(elements, ZERO);
        }
    }

    /// Adds a byte to a choice of an alternation.
    pub(super) fn push_choice(self, choice: &mut Vec<MaskedByte>, byte: MaskedByte) {
        // A letter differs from itself in the other case by one bit. Half a letter is not folded.
        let folds = self.case == Case::Folded && byte.mask == 0xff;
        choice.push(if folds && byte.value.is_ascii_alphabetic() {
            MaskedByte {
                value: byte.value & 0xdf,
                mask: 0xdf,
            }
        } else {
            byte
        });
        if self.width == Width::Wide {
            choice.push(ZERO);
        }
    }

    /// Puts the neighbours' classes around the parts of a signature of whole words.
    pub(super) fn bound_words(self, parts: &mut [Part]) {
        if self.words == Words::Inside {
            return;
        }
        let class = match self.width {
            Width::Narrow => Class::NonWord,
            Width::Wide => Class::WideNonWord,
        };
        if let Some(first) = parts.first_mut() {
            let edge = Element::Class(class, Position::Leading, Sense::Is);
            first.elements.insert(0, edge);
        }
        if let Some(last) = parts.last_mut() {
            let edge = Element::Class(class, Position::Trailing, Sense::Is);
            last.elements.push(edge);
        }
    }

    fn push_masked(self, elements: &mut Vec<Element>, byte: MaskedByte) {
        match (byte.mask, self.case, elements.last_mut()) {
            (0xff, Case::Exact, Some(Element::Bytes(bytes)))
            | (0xff, Case::Folded, Some(Element::Folded(bytes))) => bytes.push(byte.value),
            (0xff, Case::Exact, _) => elements.push(Element::Bytes(vec![byte.value])),
            (0xff, Case::Folded, _) => elements.push(Element::Folded(vec![byte.value])),
            (0, ..) => push_any(elements, 1),
            _ => elements.push(Element::Masked(byte)),
        }
    }
}

const ZERO: MaskedByte = MaskedByte {
    value: 0,
    mask: 0xff,
};

impl Element {
    /// Gives folded bytes their final form once the last of them is there.
    pub(super) fn settle(&mut self) {
        let Self::Folded(bytes) = self else { return };
        if bytes.iter().any(u8::is_ascii_alphabetic) {
            bytes.make_ascii_lowercase();
        } else {
            *self = Self::Bytes(std::mem::take(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse_styled;
    use super::*;

    fn elements(text: &str, style: Style) -> Vec<Element> {
        let mut parts = parse_styled(text.as_bytes(), style).unwrap();
        assert_eq!(parts.len(), 1, "{text}");
        parts.remove(0).elements
    }

    const FOLDED: Style = Style {
        width: Width::Narrow,
        case: Case::Folded,
        words: Words::Inside,
    };
    const WIDE: Style = Style {
        width: Width::Wide,
        case: Case::Exact,
        words: Words::Inside,
    };

    #[test]
    fn letters_fold_and_halves_of_letters_do_not() {
        let letter = |value: u8| MaskedByte { value, mask: 0xdf };
        assert_eq!(
            elements("4142(43|31)6?3132", FOLDED),
            [
                Element::Folded(b"ab".to_vec()),
                Element::Alternatives(vec![
                    vec![letter(b'C')],
                    vec![MaskedByte {
                        value: b'1',
                        mask: 0xff
                    }]
                ]),
                Element::Masked(MaskedByte {
                    value: 0x60,
                    mask: 0xf0
                }),
                Element::Bytes(b"12".to_vec()),
            ]
        );
    }

    #[test]
    fn a_wide_string_has_zeros_behind_bytes_and_wildcards_but_not_in_gaps() {
        let zero = || Element::Bytes(vec![0]);
        assert_eq!(
            elements("4142??{2}43", WIDE),
            [
                Element::Bytes(b"A\0B\0".to_vec()),
                Element::Any(1),
                zero(),
                Element::Any(2),
                Element::Bytes(b"C\0".to_vec()),
            ]
        );
    }

    #[test]
    fn whole_words_are_bounded_outside_the_first_and_the_last_part() {
        let style = Style {
            words: Words::Whole,
            ..WIDE
        };
        let parts = parse_styled(b"4142*4344", style).unwrap();
        let edge = |position| Element::Class(Class::WideNonWord, position, Sense::Is);
        assert_eq!(parts[0].elements.first(), Some(&edge(Position::Leading)));
        assert_eq!(parts[0].elements.len(), 2);
        assert_eq!(parts[1].elements.last(), Some(&edge(Position::Trailing)));
        assert_eq!(parts[1].elements.len(), 2);
    }

    #[test]
    fn a_negated_alternation_with_modifiers_is_dropped_as_the_peer_drops_it() {
        assert!(parse_styled(b"6162!(63|64)6566", FOLDED).is_err());
    }
}
