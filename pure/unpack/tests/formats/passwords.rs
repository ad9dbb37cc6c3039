//! Encrypted members of zips: opened by a password that is known, named where none is.

use proto::{Budget, Limits, Reason, Unlimited};
use unpack::{Content, Flow, Member, Members, Role, Trouble, identify};

use crate::packed::assert_reason;
use crate::samples::{corpus, limits};

const NAMES: [&str; 5] = [
    "zip/encrypted",
    "zip/encrypted-streamed",
    "zip/aes-128",
    "zip/aes-192",
    "zip/aes-256",
];

struct Keyring<'p> {
    passwords: &'p [&'p [u8]],
    members: Vec<Vec<u8>>,
}

impl Members for Keyring<'_> {
    fn member(&mut self, member: Member<'_>, _: &mut Budget) -> Flow {
        if let Content::Bytes(bytes) = member.content {
            self.members.push(bytes.to_vec());
        }
        Flow::Continue
    }

    fn passwords(&self) -> &[&[u8]] {
        self.passwords
    }
}

fn opened(name: &str, passwords: &[&[u8]], limits: Limits) -> (Vec<Vec<u8>>, Vec<Trouble>) {
    let mut corpus = corpus().into_iter();
    let sample = corpus.find(|sample| sample.name == name);
    opened_bytes(
        &sample.expect("the sample is there").bytes,
        passwords,
        limits,
    )
}

fn opened_bytes(bytes: &[u8], passwords: &[&[u8]], limits: Limits) -> (Vec<Vec<u8>>, Vec<Trouble>) {
    let mut keyring = Keyring {
        passwords,
        members: Vec::new(),
    };
    let mut budget = Budget::new(limits, Unlimited::clock_ms);
    let format = identify(&bytes).expect("memory can be read");
    let Role::Container(unpack) = format.role else {
        unreachable!("zip is a container")
    };
    let troubles = unpack(&bytes, &mut budget, &mut keyring);
    assert_eq!(budget.memory_left(), limits.memory_bytes_max);
    (keyring.members, troubles)
}

#[test]
fn the_right_password_among_others_opens_a_member() {
    let wrong: Vec<String> = (0..300).map(|number| format!("wrong{number}")).collect();
    let mut passwords: Vec<&[u8]> = wrong.iter().take(20).map(String::as_bytes).collect();
    passwords.push(b"secret");
    let plain = opened("zip/deflate", &[], limits()).0.remove(0);
    for name in NAMES {
        let (members, troubles) = opened(name, &passwords, limits());
        assert_eq!(troubles, [], "{name}");
        assert!(members.contains(&plain), "{name}");
    }
    // Some of so many pass the one byte by which a password is checked.
    let mut passwords: Vec<&[u8]> = wrong.iter().map(String::as_bytes).collect();
    passwords.push(b"secret");
    let (members, troubles) = opened("zip/encrypted", &passwords, limits());
    assert_eq!(troubles, []);
    assert!(members.contains(&plain));
}

#[test]
fn what_no_password_opens_stays_closed() {
    for name in NAMES {
        let (_, troubles) = opened(name, &[b"", b"Secret", b"secret "], limits());
        assert_reason(&troubles, Reason::Encrypted);
    }
}

#[test]
fn trying_passwords_ends_by_work() {
    let passwords = vec![&b"wrong"[..]; 1_000];
    let few = Limits {
        work_max: 10_000_000,
        ..limits()
    };
    let (_, troubles) = opened("zip/aes-256", &passwords, few);
    assert_reason(&troubles, Reason::LimitWork);
    assert_reason(&troubles, Reason::Encrypted);
}

#[test]
fn damage_with_a_password_at_hand_never_panics() {
    let mut random = crate::mutation::Random(0x1234_5678_9abc_def1);
    let samples = corpus();
    let samples: Vec<_> = samples
        .into_iter()
        .filter(|sample| NAMES.contains(&sample.name.as_str()))
        .collect();
    for _ in 0..1_000 {
        let mut bytes = samples[random.below(samples.len())].bytes.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        bytes.truncate(bytes.len() - random.below(40));
        if identify(&bytes).expect("memory can be read").name == "zip" {
            opened_bytes(&bytes, &[b"secret"], limits());
        }
    }
}
