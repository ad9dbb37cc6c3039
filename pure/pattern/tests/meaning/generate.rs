//! Random patterns over a small alphabet, of every construct, and subjects that they have a chance in.

use pattern::Flags;

use crate::oracle::Case;

const SUBJECT_BYTES: &[u8] = b"aaaabbbbccABC11__  \n\n\r-\x85\xa0";
const LITERALS: &[&str] = &[
    "a",
    "a",
    "a",
    "b",
    "b",
    "c",
    "A",
    "B",
    "1",
    "_",
    " ",
    "\\n",
    "\\x61",
    "\\-",
    "ab",
    "abc",
    "aa",
    "\\141",
    "\\0",
    "\\Qa b\\E",
    "\\x{62}",
];
const CLASSES: &[&str] = &[
    ".",
    "\\d",
    "\\w",
    "\\s",
    "\\D",
    "\\W",
    "\\S",
    "\\h",
    "\\v",
    "\\H",
    "\\V",
    "\\N",
    "\\C",
    "[ab]",
    "[^a]",
    "[a-c]",
    "[[:alpha:]]",
    "[[:^lower:]b]",
    "[\\w-]",
    "[]a]",
    "[^]a]",
    "[a\\]]",
    "[\\d\\s]",
    "[A-Z_]",
    "[\\x61-\\x63]",
    "[[:upper:]1]",
    "[a\\-c]",
    "[-a]",
];
const ASSERTIONS: &[&str] = &[
    "^", "$", "\\b", "\\B", "\\A", "\\z", "\\Z", "\\G", "[[:<:]]", "[[:>:]]",
];
const QUANTIFIERS: &[&str] = &[
    "*", "+", "?", "{2}", "{1,2}", "{0,2}", "{2,}", "{0}", "{3,5}", "{0,1}", "{1}", "{,2}",
];
const FLAGS: &[(Flags, u64)] = &[
    (Flags::CASELESS, 4),
    (Flags::DOT_ALL, 4),
    (Flags::MULTILINE, 5),
    (Flags::EXTENDED, 20),
    (Flags::ANCHORED, 15),
    (Flags::DOLLAR_END_ONLY, 15),
    (Flags::UNGREEDY, 12),
];

/// So many cases, always the same for a seed.
pub(crate) fn cases(seed: u64, count: usize) -> Vec<Case> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995_1234_5678);
    (0..count).map(|_| case(&mut random)).collect()
}

fn case(random: &mut Random) -> Case {
    let mut writer = Writer {
        random,
        text: String::new(),
        groups: 0,
        fuel: 14,
        is_behind: false,
    };
    writer.alternation(3);
    let pattern = writer.text.into_bytes();
    let mut flags = Flags::NONE;
    for (flag, rarity) in FLAGS {
        if random.below(*rarity) == 0 {
            flags |= *flag;
        }
    }
    let subjects = (0..5).map(|_| subject(random)).collect();
    Case {
        pattern,
        flags,
        subjects,
    }
}

fn subject(random: &mut Random) -> (Vec<u8>, usize) {
    let length = random.below(12);
    let few = random.below(2) == 0;
    let bytes: Vec<u8> = (0..length)
        .map(|_| match few {
            true => *random.pick(b"aab"),
            false => *random.pick(SUBJECT_BYTES),
        })
        .collect();
    let from = match random.below(4) {
        0 => random.below(length + 1),
        _ => 0,
    };
    (bytes, usize::try_from(from).expect("a short subject"))
}

struct Writer<'r> {
    random: &'r mut Random,
    text: String,
    groups: u64,
    fuel: u32,
    is_behind: bool,
}

impl Writer<'_> {
    fn alternation(&mut self, depth: u32) {
        let branches = 1 + self.random.below(5) / 3;
        for branch in 0..branches {
            if branch > 0 {
                self.text.push('|');
            }
            for _ in 0..self.random.below(4) + u64::from(branch == 0) {
                self.part(depth);
            }
        }
    }

    fn part(&mut self, depth: u32) {
        self.fuel = self.fuel.saturating_sub(1);
        let kinds = if depth == 0 || self.fuel == 0 {
            60
        } else {
            100
        };
        match self.random.below(kinds) {
            0..=29 => self.add(LITERALS),
            30..=46 => self.add(CLASSES),
            47..=51 => return self.add(ASSERTIONS),
            52 => self.text.push_str("\\R"),
            53 => return self.text.push_str("\\K"),
            54..=59 => self.reference(),
            60..=69 => {
                self.text.push('(');
                self.groups += 1;
                self.body(depth);
            }
            70..=73 => {
                let number = self.groups + 1;
                self.groups = number;
                self.text.push_str(&format!("(?<n{number}>"));
                self.body(depth);
            }
            74..=78 => self.group(depth, "(?:"),
            79..=81 => self.group(depth, "(?>"),
            82..=84 => self.group(depth, "(?="),
            85..=87 => self.group(depth, "(?!"),
            88..=89 => self.behind(depth, "(?<="),
            90 => self.behind(depth, "(?<!"),
            91 => self.group(depth, "(?|"),
            92 => self.group(depth, "(?i:"),
            93 => self.group(depth, "(?s-i:"),
            94 => return self.text.push_str("(?i)"),
            95 => return self.text.push_str("(?-i)"),
            96..=97 if !self.is_behind => self.condition(depth),
            98 => return self.text.push_str("(?#x)"),
            _ => self.call(),
        }
        self.quantifier();
    }

    fn add(&mut self, choices: &[&str]) {
        let choice = *self.random.pick(choices);
        self.text.push_str(choice);
    }

    fn body(&mut self, depth: u32) {
        self.alternation(depth - 1);
        self.text.push(')');
    }

    fn group(&mut self, depth: u32, open: &str) {
        self.text.push_str(open);
        self.body(depth);
    }

    /// Without conditions in it, whose lengths PCRE2 10.42 gets wrong.
    fn behind(&mut self, depth: u32, open: &str) {
        let around = std::mem::replace(&mut self.is_behind, true);
        self.group(depth, open);
        self.is_behind = around;
    }

    fn quantifier(&mut self) {
        if self.random.below(3) == 0 {
            self.add(QUANTIFIERS);
            self.add(&["", "", "", "?", "+"]);
        }
    }

    fn some_group(&mut self) -> u64 {
        1 + self.random.below(self.groups + 1).min(self.groups)
    }

    fn reference(&mut self) {
        let group = self.some_group();
        let text = match self.random.below(6) {
            0..=2 => format!("\\{group}"),
            3 => format!("\\g{{{group}}}"),
            4 => "\\g{-1}".to_owned(),
            _ => format!("(?P=n{group})"),
        };
        self.text.push_str(&text);
    }

    fn condition(&mut self, depth: u32) {
        let group = self.some_group();
        let test = match self.random.below(6) {
            0..=2 => format!("(?({group})"),
            3 => format!("(?(<n{group}>)"),
            4 => format!("(?(?={})", self.random.pick(LITERALS)),
            _ => format!("(?(?!{})", self.random.pick(LITERALS)),
        };
        self.text.push_str(&test);
        self.part(depth - 1);
        if self.random.below(3) > 0 {
            self.text.push('|');
            self.part(depth - 1);
        }
        self.text.push(')');
    }

    fn call(&mut self) {
        let group = self.some_group();
        let text = match self.random.below(4) {
            0 => "(?R)?".to_owned(),
            1 => format!("(?&n{group})"),
            _ => format!("(?{group})"),
        };
        self.text.push_str(&text);
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'t, T>(&mut self, choices: &'t [T]) -> &'t T {
        let index = self.below(u64::try_from(choices.len()).expect("few choices"));
        &choices[usize::try_from(index).expect("few choices")]
    }
}
