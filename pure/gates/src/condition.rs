//! A rule's condition into the formula of what it needs. Every construct that is not read here
//! counts as perhaps true.

use std::collections::BTreeSet;

use yara_x_parser::ast::{
    BinaryExpr, Expr, ForIn, ForOf, FuncCall, Ident, Iterable, MatchAnchor, Of, OfItems,
    PatternSet, Quantifier, Range, Rule,
};

use crate::formula::{Arithmetic, Comparison, Formula, Number, Reading};
use crate::literal::Masked;
use crate::regexp;
use crate::write::Scope;

/// Deeper parts of a condition are not read.
const DEPTH_MAX: u32 = 64;
/// Counts are not added up deeper than this.
const COUNT_DEPTH_MAX: u32 = 8;
/// What a rule's formula may have in parts, counting those that loops repeat.
const PARTS_MAX: u32 = 20_000;

/// What is known of a pattern.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) formula: Formula,
    /// Bytes with one of which each match begins; none where that is not known.
    pub(crate) beginnings: Vec<Vec<Masked>>,
}

/// Reads one condition.
pub(crate) struct Reader<'r> {
    rule: &'r Rule<'r>,
    /// What each pattern of the rule needs.
    patterns: &'r [Known],
    names: &'r dyn Scope,
    /// Names that loops and `with` give a meaning of their own.
    variables: BTreeSet<&'r str>,
    /// What `$` stands for.
    current: Option<&'r Known>,
    depth: u32,
    parts: u32,
}

impl<'r> Reader<'r> {
    pub(crate) fn new(rule: &'r Rule<'r>, patterns: &'r [Known], names: &'r dyn Scope) -> Self {
        Self {
            rule,
            patterns,
            names,
            variables: BTreeSet::new(),
            current: None,
            depth: 0,
            parts: 0,
        }
    }

    /// What the whole condition needs.
    pub(crate) fn condition(&mut self) -> Formula {
        let rule = self.rule;
        self.truth(&rule.condition)
    }

    /// What must hold for an expression to be true.
    fn truth(&mut self, expr: &'r Expr<'r>) -> Formula {
        self.parts = self.parts.saturating_add(1);
        if self.depth >= DEPTH_MAX || self.parts > PARTS_MAX {
            return Formula::Unknown;
        }
        self.depth = self.depth.saturating_add(1);
        let formula = self.truth_inside(expr);
        self.depth = self.depth.saturating_sub(1);
        formula
    }

    fn truth_inside(&mut self, expr: &'r Expr<'r>) -> Formula {
        match expr {
            Expr::And(operands) => {
                let of = operands.operands().map(|one| self.truth(one));
                Formula::all(of.collect())
            }
            Expr::Or(operands) => {
                let of = operands.operands().map(|one| self.truth(one));
                Formula::any(of.collect())
            }
            Expr::Not(operand) => Formula::not(self.truth(&operand.operand)),
            Expr::Defined(operand) => self.mentions(&operand.operand),
            Expr::True { .. } => constants(0),
            Expr::False { .. } => constants(1),
            Expr::Ident(name) => self.named(name),
            Expr::PatternMatch(found) => match self.known(&found.identifier) {
                Some(known) => anchored(known, found.anchor.as_ref()),
                None => Formula::Unknown,
            },
            Expr::PatternCount(found) => self.pattern(&found.identifier),
            Expr::Eq(sides) | Expr::Ne(sides) if self.texts(expr, sides).is_some() => {
                constants(i64::from(self.texts(expr, sides) == Some(false)))
            }
            Expr::Eq(sides) => self.compared(Comparison::Equal, (&sides.lhs, &sides.rhs)),
            Expr::Ne(sides) => self.compared(Comparison::NotEqual, (&sides.lhs, &sides.rhs)),
            Expr::Lt(sides) => self.compared(Comparison::Less, (&sides.lhs, &sides.rhs)),
            Expr::Gt(sides) => self.compared(Comparison::Less, (&sides.rhs, &sides.lhs)),
            Expr::Le(sides) => self.compared(Comparison::LessOrEqual, (&sides.lhs, &sides.rhs)),
            Expr::Ge(sides) => self.compared(Comparison::LessOrEqual, (&sides.rhs, &sides.lhs)),
            Expr::Contains(sides)
            | Expr::IContains(sides)
            | Expr::StartsWith(sides)
            | Expr::IStartsWith(sides)
            | Expr::EndsWith(sides)
            | Expr::IEndsWith(sides)
            | Expr::IEquals(sides)
            | Expr::Matches(sides) => match self.texts(expr, sides) {
                Some(is_true) => constants(i64::from(!is_true)),
                None => {
                    let sides = [self.mentions(&sides.lhs), self.mentions(&sides.rhs)];
                    Formula::all(sides.into())
                }
            },
            Expr::FieldAccess(_) | Expr::Lookup(_) => self.module_truth(expr),
            Expr::FuncCall(call) => self.called(expr, call),
            Expr::Of(of) => self.of(of),
            Expr::ForOf(for_of) => self.for_of(for_of),
            Expr::ForIn(for_in) => self.for_in(for_in),
            Expr::With(with) => {
                let names: Vec<_> = with.declarations.iter().map(name_of_declaration).collect();
                self.with_variables(&names, |reader| reader.truth(&with.body))
            }
            _ => Formula::Unknown,
        }
    }

    fn with_variables(
        &mut self,
        names: &[&'r str],
        read: impl FnOnce(&mut Self) -> Formula,
    ) -> Formula {
        let before = self.variables.clone();
        self.variables.extend(names);
        let formula = read(self);
        self.variables = before;
        formula
    }

    fn named(&self, name: &Ident<'r>) -> Formula {
        if self.variables.contains(name.name) {
            return Formula::Unknown;
        }
        self.names
            .rule_named(name.name)
            .map_or(Formula::Unknown, Formula::Rule)
    }

    fn pattern(&self, name: &Ident<'r>) -> Formula {
        let known = self.known(name);
        known.map_or(Formula::Unknown, |known| known.formula.clone())
    }

    /// A pattern by its name; `$` is the one that a loop is at.
    fn known(&self, name: &Ident<'r>) -> Option<&'r Known> {
        let own = name.name.get(1..).unwrap_or_default();
        if own.is_empty() {
            return self.current;
        }
        let patterns = self.rule.patterns.iter().flatten().zip(self.patterns);
        let mut found = patterns
            .filter(|(pattern, _)| pattern.identifier().name.get(1..).unwrap_or_default() == own);
        found.next().map(|(_, known)| known)
    }

    /// What comes of two texts that are known, one of them from outside.
    fn texts(&self, expr: &Expr<'r>, sides: &BinaryExpr<'r>) -> Option<bool> {
        let left = self.text(&sides.lhs)?;
        if let (Expr::Matches(_), Expr::Regexp(regexp)) = (expr, &sides.rhs) {
            let is_missed = left.is_empty() && regexp::needs_any_byte(regexp);
            return is_missed.then_some(false);
        }
        let right = self.text(&sides.rhs)?;
        match expr {
            Expr::Eq(_) => Some(left == right),
            Expr::Ne(_) => Some(left != right),
            // Of what is empty nothing is a part but what is empty too.
            _ => (left.is_empty() && !right.is_empty()).then_some(false),
        }
    }

    fn text<'t>(&'t self, expr: &'t Expr<'r>) -> Option<&'t [u8]> {
        match expr {
            Expr::LiteralString(text) => Some(text.value.as_ref().as_ref()),
            Expr::Ident(name) if !self.variables.contains(name.name) => {
                self.names.text_named(name.name).map(str::as_bytes)
            }
            _ => None,
        }
    }

    /// A comparison is false where one side has no value.
    fn compared(&mut self, how: Comparison, (lhs, rhs): (&'r Expr<'r>, &'r Expr<'r>)) -> Formula {
        if let (Some(left), Some(right)) = (number(lhs, 0), number(rhs, 0)) {
            return Formula::Compare { how, left, right };
        }
        let mut needs = vec![self.mentions(lhs), self.mentions(rhs)];
        if let Some(counted) = self.counted(how, lhs, rhs) {
            needs.push(counted);
        }
        Formula::all(needs)
    }

    /// What a comparison with a count needs: a side that is more than nothing has a match.
    fn counted(&self, how: Comparison, lhs: &Expr<'r>, rhs: &Expr<'r>) -> Option<Formula> {
        let is_positive = |side: &Expr<'r>| constant(side).is_some_and(|value| value > 0);
        let positive = match how {
            Comparison::Less if is_counted(lhs, 0) => rhs,
            Comparison::Equal | Comparison::LessOrEqual if is_positive(lhs) => rhs,
            Comparison::Equal if is_positive(rhs) => lhs,
            Comparison::NotEqual if constant(rhs) == Some(0) && is_counted(lhs, 0) => lhs,
            Comparison::NotEqual if constant(lhs) == Some(0) && is_counted(rhs, 0) => rhs,
            _ => return None,
        };
        is_counted(positive, 0).then(|| self.positive(positive, 0))
    }

    /// What a number that is never negative needs to be more than nothing.
    fn positive(&self, expr: &Expr<'r>, depth: u32) -> Formula {
        match expr {
            Expr::PatternCount(count) => self.pattern(&count.identifier),
            Expr::Add(operands) if depth < COUNT_DEPTH_MAX => {
                let operands = operands.operands();
                let of = operands.filter(|one| constant(one) != Some(0));
                let of = of.map(|one| self.positive(one, depth.saturating_add(1)));
                Formula::any(of.collect())
            }
            Expr::Mul(operands) if depth < COUNT_DEPTH_MAX => {
                let of = operands
                    .operands()
                    .map(|one| self.positive(one, depth.saturating_add(1)));
                Formula::all(of.collect())
            }
            _ => Formula::Unknown,
        }
    }

    /// What must be there for an expression to have a value at all.
    fn mentions(&mut self, expr: &'r Expr<'r>) -> Formula {
        self.depth = self.depth.saturating_add(1);
        let formula = match self.depth < DEPTH_MAX {
            true => self.mentions_inside(expr),
            false => Formula::Unknown,
        };
        self.depth = self.depth.saturating_sub(1);
        formula
    }

    fn mentions_inside(&mut self, expr: &'r Expr<'r>) -> Formula {
        match expr {
            Expr::PatternOffset(found) | Expr::PatternLength(found) => {
                self.pattern(&found.identifier)
            }
            Expr::Minus(operand) | Expr::BitwiseNot(operand) => self.mentions(&operand.operand),
            Expr::Add(operands)
            | Expr::Sub(operands)
            | Expr::Mul(operands)
            | Expr::Div(operands)
            | Expr::Mod(operands) => {
                let of = operands.operands().map(|one| self.mentions(one));
                Formula::all(of.collect())
            }
            Expr::Shl(sides)
            | Expr::Shr(sides)
            | Expr::BitwiseAnd(sides)
            | Expr::BitwiseOr(sides)
            | Expr::BitwiseXor(sides) => {
                let sides = [self.mentions(&sides.lhs), self.mentions(&sides.rhs)];
                Formula::all(sides.into())
            }
            Expr::FuncCall(call) => {
                let of = call.args.iter().map(|one| self.mentions(one));
                let mut of: Vec<_> = of.collect();
                // Other functions of a module count, and the count of nothing is a number.
                if call.identifier.name == "imphash" {
                    of.push(self.module_need(expr));
                }
                Formula::all(of)
            }
            Expr::FieldAccess(_) | Expr::Lookup(_) => self.module_need(expr),
            _ => Formula::Unknown,
        }
    }

    /// A call where a truth is expected.
    fn called(&mut self, expr: &'r Expr<'r>, call: &'r FuncCall<'r>) -> Formula {
        let of = call.args.iter().map(|one| self.mentions(one));
        let mut of: Vec<_> = of.collect();
        if let Some(number) = number(expr, 0) {
            of.push(Formula::Compare {
                how: Comparison::NotEqual,
                left: number,
                right: Number::Constant(0),
            });
        }
        of.push(self.module_truth(expr));
        Formula::all(of)
    }

    /// A field or a function's result of a module, where a truth is expected: of an object in
    /// another format it is false or has no value.
    fn module_truth(&self, expr: &Expr<'r>) -> Formula {
        match module_path(expr) {
            Some((module, _)) if !self.variables.contains(module) => format_of(module),
            _ => Formula::Unknown,
        }
    }

    /// A field of a module, where a value is expected: there is none of an object in another
    /// format, but for what is said of each object and for names of numbers.
    fn module_need(&self, expr: &Expr<'r>) -> Formula {
        match module_path(expr) {
            Some((_, field)) if field.starts_with("is_") => Formula::Unknown,
            Some((_, field)) if !field.starts_with(|one: char| one.is_ascii_lowercase()) => {
                Formula::Unknown
            }
            Some((module, _)) if !self.variables.contains(module) => format_of(module),
            _ => Formula::Unknown,
        }
    }

    fn of(&mut self, of: &'r Of<'r>) -> Formula {
        let items: Vec<Formula> = match &of.items {
            OfItems::PatternSet(set) => {
                let known = self.in_set(set).into_iter();
                known
                    .map(|known| anchored(known, of.anchor.as_ref()))
                    .collect()
            }
            OfItems::BoolExprTuple(items) => items.iter().map(|one| self.truth(one)).collect(),
        };
        quantified(&of.quantifier, items)
    }

    fn for_of(&mut self, for_of: &'r ForOf<'r>) -> Formula {
        let mut items = Vec::new();
        for pattern in self.in_set(&for_of.pattern_set) {
            let before = self.current.replace(pattern);
            items.push(self.truth(&for_of.body));
            self.current = before;
        }
        quantified(&for_of.quantifier, items)
    }

    /// A loop over numbers: nothing is known of how many there are, but that something must hold
    /// at least once.
    fn for_in(&mut self, for_in: &'r ForIn<'r>) -> Formula {
        let is_once = match &for_in.quantifier {
            Quantifier::Any { .. } => true,
            Quantifier::Expr(expr) | Quantifier::Percentage(expr) => {
                constant(expr).is_some_and(|least| least > 0)
            }
            Quantifier::None { .. } | Quantifier::All { .. } => false,
        };
        if !is_once {
            return Formula::Unknown;
        }
        let over = match &for_in.iterable {
            Iterable::Range(range) => self.counted_range(range),
            Iterable::Expr(expr) => self.module_need(expr),
            Iterable::ExprTuple(_) => Formula::Unknown,
        };
        let names: Vec<_> = for_in.variables.iter().map(|name| name.name).collect();
        let body = self.with_variables(&names, |reader| reader.truth(&for_in.body));
        Formula::all(vec![over, body])
    }

    /// From one up to a pattern's count there is something only where the pattern matches.
    fn counted_range(&self, range: &Range<'r>) -> Formula {
        match (constant(&range.lower_bound), &range.upper_bound) {
            (Some(1..), Expr::PatternCount(count)) => self.pattern(&count.identifier),
            _ => Formula::Unknown,
        }
    }

    fn in_set(&self, set: &PatternSet<'r>) -> Vec<&'r Known> {
        let patterns = self.rule.patterns.iter().flatten().zip(self.patterns);
        let is_in = |name: &Ident<'r>| match set {
            PatternSet::Them { .. } => true,
            PatternSet::Set(items) => items.iter().any(|item| item.matches(name)),
        };
        patterns
            .filter(|(pattern, _)| is_in(pattern.identifier()))
            .map(|(_, known)| known)
            .collect()
    }
}

/// What a match needs that must stand at a place or between two.
fn anchored(known: &Known, anchor: Option<&MatchAnchor<'_>>) -> Formula {
    let bounds = match anchor {
        None => None,
        Some(MatchAnchor::At(at)) => number(&at.expr, 0).map(|place| (place.clone(), place)),
        Some(MatchAnchor::In(within)) => {
            number(&within.range.lower_bound, 0).zip(number(&within.range.upper_bound, 0))
        }
    };
    let Some((low, high)) = bounds else {
        return known.formula.clone();
    };
    let stands = known.beginnings.iter().map(|bytes| Formula::Stands {
        bytes: bytes.clone(),
        low: low.clone(),
        high: high.clone(),
    });
    Formula::all(vec![known.formula.clone(), Formula::any(stands.collect())])
}

fn quantified(quantifier: &Quantifier<'_>, items: Vec<Formula>) -> Formula {
    let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let least = match quantifier {
        Quantifier::None { .. } => return Formula::not(Formula::any(items)),
        Quantifier::All { .. } => total,
        Quantifier::Any { .. } => 1,
        Quantifier::Percentage(expr) => match constant(expr) {
            Some(share @ 1..=100) => {
                let share = u64::try_from(share).unwrap_or(0);
                let least = u64::from(total).saturating_mul(share).div_ceil(100);
                u32::try_from(least).unwrap_or(u32::MAX)
            }
            _ => 0,
        },
        Quantifier::Expr(expr) => constant(expr)
            .and_then(|least| u32::try_from(least).ok())
            .unwrap_or(0),
    };
    Formula::at_least(least, items)
}

/// Certainly true where the number is zero, else certainly false.
fn constants(value: i64) -> Formula {
    Formula::Compare {
        how: Comparison::Equal,
        left: Number::Constant(0),
        right: Number::Constant(value),
    }
}

/// What an object must be for a module to know anything of it.
fn format_of(module: &str) -> Formula {
    let begins = |width_bytes: u8, value: i64| Formula::Compare {
        how: Comparison::Equal,
        left: Number::Read(
            Reading {
                width_bytes,
                is_signed: false,
                is_big_endian: false,
            },
            Box::new(Number::Constant(0)),
        ),
        right: Number::Constant(value),
    };
    match module {
        "pe" | "dotnet" => begins(2, 0x5a4d),
        "elf" => begins(4, 0x464c_457f),
        _ => Formula::Unknown,
    }
}

/// The module that a field or a call begins with, and what is first taken from it.
fn module_path<'e>(expr: &'e Expr<'_>) -> Option<(&'e str, &'e str)> {
    let mut field = None;
    let mut at = expr;
    for _ in 0..DEPTH_MAX {
        at = match at {
            Expr::FieldAccess(path) => {
                let operands = path.as_slice();
                if let Some(Expr::Ident(name)) = operands.get(1) {
                    field = Some(name.name);
                } else if let Some(Expr::FuncCall(call)) = operands.get(1) {
                    field = Some(call.identifier.name);
                } else if let Some(Expr::Lookup(lookup)) = operands.get(1)
                    && let Expr::Ident(name) = &lookup.primary
                {
                    field = Some(name.name);
                }
                path.first()
            }
            Expr::FuncCall(call) => {
                field = Some(call.identifier.name);
                call.object.as_ref()?
            }
            Expr::Lookup(lookup) => &lookup.primary,
            Expr::Ident(name) => return Some((name.name, field?)),
            _ => return None,
        };
    }
    None
}

/// A number that the object's bytes decide.
fn number(expr: &Expr<'_>, depth: u32) -> Option<Number> {
    let depth = depth.saturating_add(1);
    if depth > 8 {
        return None;
    }
    let two = |how: Arithmetic, operands: &[Expr<'_>]| {
        let mut numbers = operands.iter().map(|one| number(one, depth));
        let first = numbers.next()??;
        numbers.try_fold(first, |left, right| {
            Some(Number::Compute(how, Box::new(left), Box::new(right?)))
        })
    };
    let pair = |how: Arithmetic, sides: &BinaryExpr<'_>| {
        let left = Box::new(number(&sides.lhs, depth)?);
        Some(Number::Compute(
            how,
            left,
            Box::new(number(&sides.rhs, depth)?),
        ))
    };
    match expr {
        Expr::LiteralInteger(found) if !found.is_unsigned => Some(Number::Constant(found.value)),
        Expr::Filesize { .. } => Some(Number::FileSize),
        Expr::Add(operands) => two(Arithmetic::Add, operands.as_slice()),
        Expr::Sub(operands) => two(Arithmetic::Subtract, operands.as_slice()),
        Expr::Mul(operands) => two(Arithmetic::Multiply, operands.as_slice()),
        Expr::BitwiseAnd(sides) => pair(Arithmetic::And, sides),
        Expr::BitwiseOr(sides) => pair(Arithmetic::Or, sides),
        Expr::BitwiseXor(sides) => pair(Arithmetic::ExclusiveOr, sides),
        Expr::Shl(sides) => pair(Arithmetic::ShiftLeft, sides),
        Expr::Shr(sides) => pair(Arithmetic::ShiftRight, sides),
        Expr::FuncCall(call) if call.object.is_none() => {
            let [place] = call.args.as_slice() else {
                return None;
            };
            let reading = reading(call.identifier.name)?;
            Some(Number::Read(reading, Box::new(number(place, depth)?)))
        }
        _ => None,
    }
}

/// Whether it is made of counts, and so never negative.
fn is_counted(expr: &Expr<'_>, depth: u32) -> bool {
    let deeper = depth.saturating_add(1);
    match expr {
        Expr::PatternCount(_) => true,
        Expr::Add(operands) | Expr::Mul(operands) if depth < COUNT_DEPTH_MAX => {
            operands.operands().all(|one| is_counted(one, deeper))
        }
        _ => constant(expr).is_some_and(|value| (0..=i64::from(u32::MAX)).contains(&value)),
    }
}

fn constant(expr: &Expr<'_>) -> Option<i64> {
    match number(expr, 0)? {
        Number::Constant(value) => Some(value),
        Number::FileSize | Number::Read(..) | Number::Compute(..) => None,
    }
}

fn reading(name: &str) -> Option<Reading> {
    let (is_signed, rest) = match name.strip_prefix("uint") {
        Some(rest) => (false, rest),
        None => (true, name.strip_prefix("int")?),
    };
    let (is_big_endian, bits) = match rest.strip_suffix("be") {
        Some(bits) => (true, bits),
        None => (false, rest),
    };
    let width_bytes = match bits {
        "8" => 1,
        "16" => 2,
        "32" => 4,
        _ => return None,
    };
    Some(Reading {
        width_bytes,
        is_signed,
        is_big_endian,
    })
}

fn name_of_declaration<'r>(declaration: &yara_x_parser::ast::WithDeclaration<'r>) -> &'r str {
    declaration.identifier.name
}
