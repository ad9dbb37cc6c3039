//! Which names a script declares in which function, and its tokens printed with numbers for them.

use std::collections::BTreeMap;

use super::{Kind, Token, Tokens};

/// For each function in the order in which they begin, the script itself first: its names' tokens
/// and their numbers.
pub(super) type Scopes = Vec<Vec<(Token, u32)>>;

/// Follows functions through a script.
#[derive(Debug)]
struct Follower {
    /// Open functions: which, and the depth of braces outside its body once that began.
    open: Vec<(usize, Option<usize>)>,
    braces: usize,
    begun: usize,
}

impl Follower {
    fn new() -> Self {
        Self {
            open: vec![(0, Some(0))],
            braces: 0,
            begun: 1,
        }
    }

    /// Passes a token; the functions that it begins and ends.
    fn pass(&mut self, kind: Kind, bytes: &[u8]) -> (Option<usize>, Option<usize>) {
        match (kind, bytes) {
            (Kind::Word, b"function") => {
                let scope = self.begun;
                self.begun = scope.saturating_add(1);
                self.open.push((scope, None));
                (Some(scope), None)
            }
            (Kind::Sign, b"{") => {
                let outside = self.braces;
                if let Some((_, depth @ None)) = self.open.last_mut() {
                    *depth = Some(outside);
                }
                self.braces = outside.saturating_add(1);
                (None, None)
            }
            (Kind::Sign, b"}") => {
                self.braces = self.braces.saturating_sub(1);
                match self.open.last() {
                    Some((scope, Some(outside))) if *scope > 0 && *outside == self.braces => {
                        let scope = *scope;
                        self.open.pop();
                        (None, Some(scope))
                    }
                    _ => (None, None),
                }
            }
            _ => (None, None),
        }
    }

    fn scope(&self) -> usize {
        self.open.last().map_or(0, |open| open.0)
    }
}

/// Whether the next word is declared by standing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Nothing,
    /// Behind `var`, and behind each comma until the statement ends.
    Variable,
    /// In a `var` statement.
    Comma,
    /// A function's name or its arguments.
    Header,
}

/// Finds the names that are declared.
pub(super) fn declared(tokens: &Tokens) -> Scopes {
    let mut scopes: Scopes = vec![Vec::new()];
    let mut follower = Follower::new();
    let mut expects = Expects::Nothing;
    let mut count = 0u32;
    for token in &tokens.list {
        let bytes = tokens.bytes(*token);
        if follower.pass(token.kind, bytes).0.is_some() {
            scopes.push(Vec::new());
            expects = Expects::Header;
            continue;
        }
        let declares = matches!(expects, Expects::Variable | Expects::Header);
        match (token.kind, bytes) {
            (Kind::Word, b"var") => expects = Expects::Variable,
            (Kind::Word, _) if declares => {
                if let Some(names) = scopes.get_mut(follower.scope()) {
                    names.push((*token, count));
                    count = count.saturating_add(1);
                }
                if expects == Expects::Variable {
                    expects = Expects::Comma;
                }
            }
            (Kind::Sign, b",") if expects == Expects::Comma => expects = Expects::Variable,
            (Kind::Sign, b")" | b"{") if expects == Expects::Header => expects = Expects::Nothing,
            (Kind::Sign, b";" | b"}") => expects = Expects::Nothing,
            _ => {}
        }
    }
    scopes
}

/// Writes the tokens.
pub(super) fn print(tokens: &Tokens, scopes: &Scopes, out: &mut Vec<u8>) {
    let mut names: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
    let enter = |scope: usize, names: &mut BTreeMap<_, Vec<u32>>| {
        for (token, number) in scopes.get(scope).into_iter().flatten() {
            names.entry(tokens.bytes(*token)).or_default().push(*number);
        }
    };
    enter(0, &mut names);
    let mut follower = Follower::new();
    let mut last: Option<(Kind, &[u8])> = None;
    for token in &tokens.list {
        let bytes = tokens.bytes(*token);
        let (begun, ended) = follower.pass(token.kind, bytes);
        if let Some(scope) = begun {
            enter(scope, &mut names);
        }
        let is_wordy = |kind| matches!(kind, Kind::Word | Kind::Number);
        if is_wordy(token.kind) && last.is_some_and(|(kind, _)| is_wordy(kind)) {
            out.push(b' ');
        }
        let is_member = last == Some((Kind::Sign, b"."));
        let number = names.get(bytes).and_then(|numbers| numbers.last());
        match (token.kind, number) {
            (Kind::Word, Some(number)) if !is_member => {
                out.extend(format!("n{number:03x}").into_bytes());
            }
            (Kind::Text, _) => {
                out.push(b'"');
                out.extend(bytes.to_ascii_lowercase());
                out.push(b'"');
            }
            _ => out.extend(bytes.to_ascii_lowercase()),
        }
        for (token, _) in ended
            .and_then(|scope| scopes.get(scope))
            .into_iter()
            .flatten()
        {
            if let Some(numbers) = names.get_mut(tokens.bytes(*token)) {
                numbers.pop();
            }
        }
        last = Some((token.kind, bytes));
    }
}
