//! SPDX licence expressions: whether one can be satisfied from a list of accepted licences.
//!
//! `OR` chooses, `AND` binds tighter and demands both, `WITH` names an exception. The old `/`
//! between two names is read as `OR`, as crates.io does.

/// Whether the expression can be satisfied; an expression that can't be read is an error.
pub(crate) fn satisfied(expression: &str, accepted: &[&str]) -> Result<bool, String> {
    let words = words(expression);
    let mut parser = Parser {
        words: &words,
        accepted,
    };
    let answer = parser.any_of()?;
    match parser.words.first() {
        None => Ok(answer),
        Some(word) => Err(format!("\"{word}\" is out of place in \"{expression}\"")),
    }
}

struct Parser<'a> {
    words: &'a [String],
    accepted: &'a [&'a str],
}

impl Parser<'_> {
    fn any_of(&mut self) -> Result<bool, String> {
        let mut answer = self.all_of()?;
        while self.take_if("OR") {
            answer |= self.all_of()?;
        }
        Ok(answer)
    }

    fn all_of(&mut self) -> Result<bool, String> {
        let mut answer = self.one()?;
        while self.take_if("AND") {
            answer &= self.one()?;
        }
        Ok(answer)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take_if("(") {
            let answer = self.any_of()?;
            if !self.take_if(")") {
                return Err("a parenthesis is not closed".to_owned());
            }
            return Ok(answer);
        }
        let mut licence = self.name()?;
        if self.take_if("WITH") {
            licence = format!("{licence} WITH {}", self.name()?);
        }
        Ok(self.accepted.contains(&licence.as_str()))
    }

    fn name(&mut self) -> Result<String, String> {
        match self.words.split_first() {
            Some((word, rest)) if !["OR", "AND", "WITH", "(", ")"].contains(&word.as_str()) => {
                self.words = rest;
                Ok(word.clone())
            }
            Some((word, _)) => Err(format!("a licence was expected, not \"{word}\"")),
            None => Err("a licence was expected, not the end".to_owned()),
        }
    }

    fn take_if(&mut self, expected: &str) -> bool {
        match self.words.split_first() {
            Some((word, rest)) if word == expected => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

fn words(expression: &str) -> Vec<String> {
    expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &[&str] = &["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"];

    fn holds(expression: &str) -> bool {
        satisfied(expression, ACCEPTED).expect(expression)
    }

    #[test]
    fn or_needs_one_and_and_needs_both() {
        assert!(holds("MIT"));
        assert!(holds("GPL-3.0-only OR MIT"));
        assert!(holds("MIT AND ISC"));
        assert!(!holds("MIT AND GPL-3.0-only"));
        assert!(!holds("GPL-3.0-only"));
        assert!(holds("GPL-3.0/MIT"));
    }

    #[test]
    fn and_binds_tighter_than_or_and_parentheses_decide() {
        assert!(holds("MIT OR GPL-3.0-only AND AGPL-3.0-only"));
        assert!(!holds("(MIT OR GPL-3.0-only) AND AGPL-3.0-only"));
        assert!(holds("(MIT OR GPL-3.0-only) AND (ISC OR X)"));
    }

    #[test]
    fn an_exception_is_part_of_the_licence() {
        assert!(holds("Apache-2.0 WITH LLVM-exception"));
        assert!(!holds("MIT WITH LLVM-exception"));
        assert!(!holds("GPL-2.0-only WITH Classpath-exception-2.0"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for wrong in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "WITH MIT", "OR"] {
            assert!(satisfied(wrong, ACCEPTED).is_err(), "{wrong}");
        }
    }
}
