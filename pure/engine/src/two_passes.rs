//! Holds the first pass against the second: generated rules, on objects made of their bytes. With
//! every rule triggered the second pass needs no anchor, so a rule that fires there and not after
//! both passes was lost by the first.

use std::collections::BTreeSet;

use proto::{Budget, Limits, Unlimited};
use rules::{Compiler, IgnoreList, Pack, RuleId};

use crate::exact::{self, Tools};
use crate::hits::Hits;
use crate::part::Subject;
use crate::triggered::Triggered;
use crate::{Hashing, Object, Options, Scanner};

const ROUNDS: u64 = 40;
const RULES: usize = 60;
const OBJECTS: usize = 40;

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one<'o, T>(&mut self, of: &'o [T]) -> &'o T {
        &of[self.below(of.len())]
    }

    /// Few different bytes, so that much nearly matches.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| *self.one(b"abAB\0\xd3zk")).collect()
    }

    /// A hexadecimal signature, and bytes that it matches.
    fn hex(&mut self) -> (String, Vec<u8>) {
        let (mut text, mut sample) = (String::new(), Vec::new());
        let pieces = 1 + self.below(3);
        for piece in 0..pieces {
            let count = *self.one(&[2, 3, 4, 5, 6, 9, 14]);
            let run = self.bytes(count);
            text.extend(run.iter().map(|byte| format!("{byte:02x}")));
            sample.extend(run);
            if piece + 1 < pieces {
                let joint = *self.one(&["??", "*", "{0-3}", "{2}", "(61|7a)", "[1-3]", "{-200}"]);
                text.push_str(joint);
                sample.extend(match joint {
                    "(61|7a)" | "??" => &b"z"[..],
                    "{2}" | "[1-3]" => b"kk",
                    _ => b"",
                });
            }
        }
        (text, sample)
    }

    fn offset(&mut self) -> String {
        match self.below(8) {
            0 => self.below(40).to_string(),
            1 => format!("{},{}", self.below(40), self.below(60)),
            2 => format!("EOF-{}", self.below(200)),
            _ => "*".to_string(),
        }
    }

    fn logical(&mut self, number: usize, samples: &mut Vec<Vec<u8>>) -> String {
        let (expression, count) = *self.one(&[
            ("0&1", 2),
            ("0|1", 2),
            ("(0|1)>1", 2),
            ("(0|1|2)>1,2", 3),
            ("0&(1|2)", 3),
            ("0&1=0", 2),
            ("0>2", 1),
            ("0=0", 1),
            ("0<2&1", 2),
        ]);
        let mut line = format!("L{number};Engine:51-255,Target:0;{expression}");
        for _ in 0..count {
            let (hex, sample) = self.hex();
            let style = *self.one(&["", "", "::i", "::w", "::wa", "::f"]);
            let wide = |bytes: &[u8]| bytes.iter().flat_map(|byte| [*byte, 0]).collect();
            samples.push(match style {
                "::i" => sample.to_ascii_uppercase(),
                "::w" => wide(&sample),
                _ => sample,
            });
            let offset = match self.offset().as_str() {
                "*" => String::new(),
                offset => format!("{offset}:"),
            };
            line.push_str(&format!(";{offset}{hex}{style}"));
        }
        line
    }

    fn object(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        let mut object = Vec::new();
        for _ in 0..self.below(12) {
            if self.below(3) > 0 {
                let filler = self.below(90);
                object.extend(self.bytes(filler));
            }
            let mut sample = self.one(samples).clone();
            if self.below(4) == 0 {
                let at = self.below(sample.len());
                sample[at] ^= 0x20;
            }
            object.extend(sample);
        }
        object
    }
}

fn pack(numbers: &mut Numbers) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut bodies, mut logicals, mut samples) = (String::new(), String::new(), Vec::new());
    for number in 0..RULES {
        let (hex, sample) = numbers.hex();
        bodies.push_str(&format!("B{number}:0:{}:{hex}\n", numbers.offset()));
        samples.push(sample);
        logicals.push_str(&numbers.logical(number, &mut samples));
        logicals.push('\n');
    }
    let mut compiler = Compiler::new(IgnoreList::default());
    compiler.add("a.ndb", bodies.as_bytes()).unwrap();
    compiler.add("a.ldb", logicals.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let written = compiler.finish::<()>(&mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    written.unwrap();
    (bytes, samples)
}

fn everything(pack: &Pack<'_>) -> Triggered {
    let mut triggered = Triggered::default();
    let bodies = (0..).map_while(|number| Some((number, pack.body(number)?)));
    let direct = bodies.filter(|(_, body)| body.logical.is_none());
    triggered.bodies.extend(direct.map(|(number, _)| number));
    let logicals = (0..).take_while(|logical| pack.logical(*logical).is_some());
    triggered.logicals.extend(logicals);
    triggered
}

const OPTIONS: Options = Options {
    pua: true,
    sha256: false,
    all_matches: true,
};

fn after_both_passes(
    scanner: &mut Scanner<'_>,
    bytes: &[u8],
    budget: &mut Budget,
) -> BTreeSet<RuleId> {
    let object = Object {
        source: &bytes,
        look_bytes: bytes.len() as u64,
        facts: None,
        groups: &[],
        hashing: Hashing::Nothing,
        containers: &[],
    };
    let examined = scanner.examine(&object, OPTIONS, budget);
    assert_eq!(examined.limit, None);
    examined.hits.iter().map(|hit| hit.rule).collect()
}

fn after_the_second(
    (pack, triggered): (&Pack<'_>, &Triggered),
    tools: Tools<'_>,
    bytes: &[u8],
    budget: &mut Budget,
) -> BTreeSet<RuleId> {
    let subject = Subject {
        pack,
        facts: None,
        size_bytes: bytes.len() as u64,
        containers: &[],
    };
    let mut hits = Hits::new(pack, OPTIONS);
    let object = (subject, (&bytes as _, bytes.len() as u64));
    exact::decide(object, (triggered, &mut hits), tools, budget).unwrap();
    hits.into_hits().iter().map(|hit| hit.rule).collect()
}

#[test]
fn the_first_pass_loses_no_rule_that_the_second_fires() {
    let (mut fired, mut compiled) = (0, 0);
    for round in 0..ROUNDS {
        let mut numbers = Numbers(round + 1);
        let (bytes, samples) = pack(&mut numbers);
        let pack = Pack::open(&bytes).unwrap();
        compiled += pack.signatures();
        let triggered = everything(&pack);
        let mut scanner = Scanner::new(&pack);
        for _ in 0..OBJECTS {
            let object = numbers.object(&samples);
            let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
            let both = after_both_passes(&mut scanner, &object, &mut budget);
            let tools = scanner.tools();
            let alone = after_the_second((&pack, &triggered), tools, &object, &mut budget);
            assert_eq!(both, alone, "round {round}, {object:02x?}");
            fired += both.len();
        }
    }
    let rules = u64::try_from(RULES).unwrap() * 2 * ROUNDS;
    assert!(
        compiled > rules * 3 / 4,
        "{compiled} of {rules} rules compile"
    );
    assert!(fired > 10_000, "{fired} firings say little");
}
