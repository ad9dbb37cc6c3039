//! Compiles a tree into steps. None is copied for a repetition, so that a program is about as long
//! as its pattern.

use std::collections::BTreeMap;

use super::{Loop, Pc, Place, Program, Register, Run, Step, captured};
use crate::error::PatternError;
use crate::measure::{Groups, Length};
use crate::set::ByteSet;
use crate::tree::{Around, Condition, Mode, Node, Repeat, Sense, Side, Target, Test};

/// As in PCRE2 10.43, the first that takes looks behind of more than one length.
const BEHIND_BYTES_MAX: usize = 255;

/// Compiles a tree.
pub(crate) fn compile(
    tree: &Node,
    groups: &mut Groups<'_>,
    count: u32,
) -> Result<Program, PatternError> {
    let mut called = Vec::new();
    calls(tree, &mut called);
    called.sort_unstable();
    called.dedup();
    let mut writer = Writer {
        groups,
        called,
        steps: Vec::new(),
        sets: Vec::new(),
        indices: BTreeMap::new(),
        registers: captured(count.saturating_add(1)),
        starts: BTreeMap::new(),
    };
    writer.write(tree)?;
    writer.steps.push(Step::Match);
    writer.direct_calls();
    Ok(Program::new(writer.steps, &writer.sets, writer.registers))
}

fn calls(node: &Node, called: &mut Vec<u32>) {
    if let Node::Call(Target::Number(group)) = node {
        called.push(*group);
    }
    for part in node.parts() {
        calls(part, called);
    }
}

struct Writer<'g, 't> {
    groups: &'g mut Groups<'t>,
    /// Groups that are called, in order.
    called: Vec<u32>,
    steps: Vec<Step>,
    sets: Vec<ByteSet>,
    indices: BTreeMap<ByteSet, usize>,
    registers: usize,
    /// The first step of each group.
    starts: BTreeMap<u32, Pc>,
}

impl Writer<'_, '_> {
    fn here(&self) -> Pc {
        self.steps.len()
    }

    fn push(&mut self, step: Step) -> Pc {
        self.steps.push(step);
        self.here().saturating_sub(1)
    }

    fn patch(&mut self, pc: Pc, step: Step) {
        if let Some(place) = self.steps.get_mut(pc) {
            *place = step;
        }
    }

    fn register(&mut self) -> Register {
        let register = self.registers;
        self.registers = register.saturating_add(1);
        register
    }

    fn place(&mut self) -> Place {
        Place {
            choices: self.register(),
            origin: self.register(),
        }
    }

    fn set(&mut self, set: ByteSet) -> usize {
        let next = self.sets.len();
        let index = *self.indices.entry(set).or_insert(next);
        if index == next {
            self.sets.push(set);
        }
        index
    }

    fn write(&mut self, node: &Node) -> Result<(), PatternError> {
        match node {
            Node::Empty => {}
            Node::Fail => self.steps.push(Step::Fail),
            Node::Set(set) => self.write_set(*set),
            Node::Assert(assertion) => self.steps.push(Step::Assert(*assertion)),
            Node::Keep => self.steps.push(Step::Keep),
            Node::Group { number, body } => self.write_group(*number, body)?,
            Node::Concat(parts) => self.write_concat(parts)?,
            Node::Alternate(branches) => {
                let branches: Vec<Branch<'_>> = branches.iter().map(Branch::plain).collect();
                self.write_branches(&branches)?;
            }
            Node::Repeat(repeat) => self.write_repeat(repeat)?,
            Node::Atomic(body) => {
                let height = self.register();
                self.push(Step::AtomicBegin(height));
                self.write(body)?;
                self.push(Step::AtomicEnd(height));
            }
            Node::Around(around) => self.write_around(around)?,
            Node::Reference { to, case } => {
                let (group, case) = (number_of(to), *case);
                self.push(Step::Reference { group, case });
            }
            Node::Call(to) => {
                self.write_call(number_of(to));
            }
            Node::Condition(condition) => self.write_condition(condition)?,
        }
        Ok(())
    }

    fn write_call(&mut self, group: u32) {
        if group > 0 {
            self.push(Step::Call { group, target: 0 });
            return;
        }
        // Where all of the pattern is called, PCRE2 10.42 does not come back for another match of it.
        let height = self.register();
        self.push(Step::AtomicBegin(height));
        self.push(Step::Call { group, target: 0 });
        self.push(Step::AtomicEnd(height));
    }

    fn write_set(&mut self, set: ByteSet) {
        let step = match set.single() {
            Some(byte) => Step::Byte(byte),
            None if set.is_empty() => Step::Fail,
            None => Step::Set(self.set(set)),
        };
        self.steps.push(step);
    }

    fn write_concat(&mut self, parts: &[Node]) -> Result<(), PatternError> {
        let mut literal: Vec<u8> = Vec::new();
        for part in parts {
            let byte = match part {
                Node::Set(set) => set.single(),
                _ => None,
            };
            match byte {
                Some(byte) => literal.push(byte),
                None => {
                    self.write_literal(&mut literal);
                    self.write(part)?;
                }
            }
        }
        self.write_literal(&mut literal);
        Ok(())
    }

    fn write_literal(&mut self, literal: &mut Vec<u8>) {
        match literal[..] {
            [] => return,
            [byte] => self.steps.push(Step::Byte(byte)),
            _ => {
                let bytes = literal.clone().into_boxed_slice();
                self.steps.push(Step::Literal(bytes));
            }
        }
        literal.clear();
    }

    fn write_group(&mut self, number: u32, body: &Node) -> Result<(), PatternError> {
        let here = self.here();
        self.starts.entry(number).or_insert(here);
        let opened = self.register();
        self.push(Step::Mark(opened));
        self.write(body)?;
        self.push(Step::Close {
            group: number,
            opened,
        });
        if self.called.binary_search(&number).is_ok() {
            self.push(Step::Return(number));
        }
        Ok(())
    }

    fn write_branches(&mut self, branches: &[Branch<'_>]) -> Result<(), PatternError> {
        let mut jumps = Vec::new();
        let last = branches.len().saturating_sub(1);
        for (index, branch) in branches.iter().enumerate() {
            let split = (index < last).then(|| self.push(Step::Fail));
            if let Some(Length { min, max }) = branch.back {
                let max = max.unwrap_or(min);
                self.push(Step::Back { min, max });
            }
            self.write(branch.node)?;
            let Some(split) = split else {
                break;
            };
            jumps.push(self.push(Step::Fail));
            let next = self.here();
            self.patch(split, Step::Split(split.saturating_add(1), next));
        }
        self.land(&jumps);
        Ok(())
    }

    /// Makes these steps jump to where the next one will be.
    fn land(&mut self, jumps: &[Pc]) {
        let here = self.here();
        for jump in jumps {
            self.patch(*jump, Step::Jump(here));
        }
    }

    fn write_repeat(&mut self, repeat: &Repeat) -> Result<(), PatternError> {
        let (min, max) = (count(repeat.min), repeat.max.map(count));
        if let (Node::Set(set), false) = (&*repeat.body, max == Some(0)) {
            let run = Run {
                set: self.set(*set),
                min,
                max: max.unwrap_or(usize::MAX),
                mode: repeat.mode,
                next: None,
            };
            self.push(Step::Run(run));
            return Ok(());
        }
        if repeat.mode == Mode::Possessive {
            let height = self.register();
            self.push(Step::AtomicBegin(height));
            self.write_loop(repeat, min, max)?;
            self.push(Step::AtomicEnd(height));
            return Ok(());
        }
        self.write_loop(repeat, min, max)
    }

    fn write_loop(
        &mut self,
        repeat: &Repeat,
        min: usize,
        max: Option<usize>,
    ) -> Result<(), PatternError> {
        let body = &repeat.body;
        match (min, max) {
            (_, Some(0)) => {
                // Never run here, but it may be called.
                let over = self.push(Step::Fail);
                self.write(body)?;
                self.land(&[over]);
                Ok(())
            }
            (1, Some(1)) => self.write(body),
            (0, Some(1)) => {
                let split = self.push(Step::Fail);
                self.write(body)?;
                let end = self.here();
                self.patch(split, fork(repeat.mode, split.saturating_add(1), end));
                Ok(())
            }
            (0 | 1, None) => self.write_endless(repeat, min),
            _ => self.write_counted(repeat, min, max),
        }
    }

    /// `*` and `+`.
    fn write_endless(&mut self, repeat: &Repeat, min: usize) -> Result<(), PatternError> {
        let before = (min == 0).then(|| self.push(Step::Fail));
        let head = self.here();
        let can_be_empty = self.groups.length(&repeat.body).min == 0;
        let mark = can_be_empty.then(|| self.register());
        if let Some(mark) = mark {
            self.push(Step::Mark(mark));
        }
        self.write(&repeat.body)?;
        let check = mark.map(|_| self.push(Step::Fail));
        let again = self.push(Step::Fail);
        let exit = self.here();
        self.patch(again, fork(repeat.mode, head, exit));
        if let (Some(check), Some(mark)) = (check, mark) {
            self.patch(check, Step::IfEmpty { mark, exit });
        }
        if let Some(before) = before {
            self.patch(before, fork(repeat.mode, head, exit));
        }
        Ok(())
    }

    fn write_counted(
        &mut self,
        repeat: &Repeat,
        min: usize,
        max: Option<usize>,
    ) -> Result<(), PatternError> {
        let mut of = Loop {
            count: self.register(),
            mark: self.register(),
            min,
            max,
            mode: repeat.mode,
            exit: 0,
        };
        self.push(Step::LoopStart(of.count));
        let head = self.push(Step::Fail);
        self.write(&repeat.body)?;
        let end = self.push(Step::Fail);
        of.exit = self.here();
        self.patch(head, Step::LoopTest(of));
        self.patch(end, Step::LoopEnd { head, of });
        Ok(())
    }

    fn write_around(&mut self, around: &Around) -> Result<(), PatternError> {
        let at = self.place();
        let begin = self.push(Step::AroundBegin {
            at,
            otherwise: None,
        });
        self.write_sought(around, at)?;
        match around.sense {
            Sense::Positive => {
                self.push(Step::AroundEnd(at));
            }
            Sense::Negative => {
                self.push(Step::AroundRefuse { at, exit: None });
                let after = self.here();
                let otherwise = Some(after);
                self.patch(begin, Step::AroundBegin { at, otherwise });
            }
        }
        Ok(())
    }

    /// What is looked for around a place.
    fn write_sought(&mut self, around: &Around, at: Place) -> Result<(), PatternError> {
        if around.side == Side::Ahead {
            return self.write(&around.body);
        }
        let branches: Vec<&Node> = match &*around.body {
            Node::Alternate(branches) => branches.iter().collect(),
            body => vec![body],
        };
        let branches: Result<Vec<Branch<'_>>, _> = branches
            .into_iter()
            .map(|branch| self.behind(branch, around.offset))
            .collect();
        self.write_branches(&branches?)?;
        self.push(Step::AtOrigin(at.origin));
        Ok(())
    }

    fn behind<'n>(&mut self, node: &'n Node, offset: usize) -> Result<Branch<'n>, PatternError> {
        let length = self.groups.length(node);
        match length.max {
            None => Err(PatternError::Malformed {
                what: "a look behind without a bound",
                offset,
            }),
            Some(max) if max > length.min && max > BEHIND_BYTES_MAX => {
                Err(PatternError::Unsupported {
                    what: "a look behind of more than 255 bytes".to_owned(),
                    offset,
                })
            }
            Some(_) => Ok(Branch {
                back: Some(length),
                node,
            }),
        }
    }

    fn write_condition(&mut self, condition: &Condition) -> Result<(), PatternError> {
        let Condition { test, yes, no } = condition;
        let begin = match test {
            Test::Around(around) => return self.write_around_condition(around, yes, no),
            Test::Captured(_) | Test::Called(_) | Test::Define => self.push(Step::Fail),
        };
        self.write(yes)?;
        let jump = self.push(Step::Fail);
        let otherwise = self.here();
        self.write(no)?;
        self.land(&[jump]);
        let step = match test {
            Test::Captured(target) => Step::IfCaptured {
                group: number_of(target),
                otherwise,
            },
            Test::Called(target) => Step::IfCalled {
                group: target.as_ref().map(number_of),
                otherwise,
            },
            Test::Define | Test::Around(_) => Step::Jump(otherwise),
        };
        self.patch(begin, step);
        Ok(())
    }

    fn write_around_condition(
        &mut self,
        around: &Around,
        yes: &Node,
        no: &Node,
    ) -> Result<(), PatternError> {
        let at = self.place();
        let begin = self.push(Step::Fail);
        self.write_sought(around, at)?;
        let found = self.push(Step::Fail);
        let then = self.here();
        self.write(yes)?;
        let jump = self.push(Step::Fail);
        let otherwise = self.here();
        self.write(no)?;
        self.land(&[jump]);
        let (found_step, missing) = match around.sense {
            Sense::Positive => (Step::AroundEnd(at), otherwise),
            Sense::Negative => {
                let exit = Some(otherwise);
                (Step::AroundRefuse { at, exit }, then)
            }
        };
        self.patch(found, found_step);
        let otherwise = Some(missing);
        self.patch(begin, Step::AroundBegin { at, otherwise });
        Ok(())
    }

    /// Calls know where their groups begin once all are written.
    fn direct_calls(&mut self) {
        for step in &mut self.steps {
            if let Step::Call { group, target } = step {
                *target = self.starts.get(group).copied().unwrap_or(0);
            }
        }
    }
}

/// A branch, and how far before it matching begins.
struct Branch<'n> {
    back: Option<Length>,
    node: &'n Node,
}

impl<'n> Branch<'n> {
    fn plain(node: &'n Node) -> Self {
        Self { back: None, node }
    }
}

fn count(times: u32) -> usize {
    usize::try_from(times).unwrap_or(usize::MAX)
}

fn number_of(target: &Target) -> u32 {
    match target {
        Target::Number(number) => *number,
        Target::Name(_) => u32::MAX,
    }
}

/// A choice between another round and an end.
fn fork(mode: Mode, again: Pc, end: Pc) -> Step {
    match mode {
        Mode::Greedy | Mode::Possessive => Step::Split(again, end),
        Mode::Lazy => Step::Split(end, again),
    }
}
