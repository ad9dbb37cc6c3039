//! Operations that need a privilege or weaken a wall, told in words: the system call's name, its
//! arguments, and what the kernel said.

use std::fmt::Write;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use lab::Escaped;
use lab::trace::{Event, UringOutcome};

use super::layout::{FAMILY_INET, FAMILY_INET6, unix_name};

/// A system call as the kernel told it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// Its number.
    pub(super) number: u32,
    /// Its six arguments, of which not all mean something.
    pub(super) arguments: [u64; 6],
    /// What the kernel said: an error where it is negative.
    pub(super) result: i64,
    /// Texts among the arguments, ended by a zero byte, or an address.
    pub(super) texts: [&'a [u8]; 2],
}

/// What of the arguments is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// So many of them, as signed numbers: users and descriptors.
    Numbers(usize),
    /// So many of them, as bits.
    Bits(usize),
    /// A text.
    Text,
    /// Two texts.
    Texts,
    /// A descriptor and the address of a socket.
    Address,
}

use Form::{Address, Bits, Numbers, Text, Texts};

const SOCKET: u32 = 41;

/// By x86-64's numbers, in their order; those that `bpf/calls.h` has told.
const CALLS: &[(u32, &str, Form)] = &[
    (SOCKET, "raw-socket", Numbers(3)),
    (49, "bind", Address),
    (50, "listen", Numbers(2)),
    (56, "clone", Bits(1)),
    (101, "ptrace", Numbers(2)),
    (105, "setuid", Numbers(1)),
    (106, "setgid", Numbers(1)),
    (113, "setreuid", Numbers(2)),
    (114, "setregid", Numbers(2)),
    (116, "setgroups", Numbers(1)),
    (117, "setresuid", Numbers(3)),
    (119, "setresgid", Numbers(3)),
    (122, "setfsuid", Numbers(1)),
    (123, "setfsgid", Numbers(1)),
    (126, "capset", Numbers(0)),
    (133, "mknod", Text),
    (155, "pivot_root", Texts),
    (159, "adjtimex", Numbers(0)),
    (161, "chroot", Text),
    (163, "acct", Text),
    (164, "settimeofday", Numbers(0)),
    (165, "mount", Texts),
    (166, "umount2", Text),
    (167, "swapon", Text),
    (168, "swapoff", Text),
    (169, "reboot", Bits(3)),
    (170, "sethostname", Text),
    (171, "setdomainname", Text),
    (172, "iopl", Numbers(1)),
    (173, "ioperm", Numbers(3)),
    (175, "init_module", Numbers(0)),
    (176, "delete_module", Text),
    (179, "quotactl", Bits(1)),
    (227, "clock_settime", Numbers(1)),
    (246, "kexec_load", Numbers(0)),
    (248, "add_key", Texts),
    (249, "request_key", Texts),
    (250, "keyctl", Numbers(2)),
    (259, "mknodat", Numbers(1)),
    (272, "unshare", Bits(1)),
    (298, "perf_event_open", Numbers(0)),
    (300, "fanotify_init", Bits(2)),
    (305, "clock_adjtime", Numbers(1)),
    (308, "setns", Numbers(1)),
    (310, "process_vm_readv", Numbers(1)),
    (311, "process_vm_writev", Numbers(1)),
    (313, "finit_module", Numbers(1)),
    (319, "memfd_create", Text),
    (320, "kexec_file_load", Numbers(2)),
    (321, "bpf", Numbers(1)),
    (323, "userfaultfd", Bits(1)),
    (425, "io_uring_setup", Numbers(1)),
    (426, "io_uring_enter", Numbers(1)),
    (427, "io_uring_register", Numbers(2)),
    (428, "open_tree", Numbers(1)),
    (429, "move_mount", Numbers(1)),
    (430, "fsopen", Text),
    (432, "fsmount", Numbers(1)),
    (435, "clone3", Numbers(0)),
    (438, "pidfd_getfd", Numbers(2)),
    (442, "mount_setattr", Numbers(1)),
    (467, "open_tree_attr", Numbers(1)),
];

/// Calls for a ring, whose reads and sends are invisible.
const RINGS: std::ops::RangeInclusive<u32> = 425..=427;

/// The event of a call; none where its number is not one that is told.
pub(super) fn told(call: &Call<'_>, at: u64, pid: u32) -> Option<Event> {
    if RINGS.contains(&call.number) {
        return Some(Event::Uring {
            at,
            pid,
            outcome: match call.result < 0 {
                true => UringOutcome::Denied,
                false => UringOutcome::Hooked,
            },
        });
    }
    let (_, name, form) = CALLS.iter().find(|(number, ..)| *number == call.number)?;
    let mut detail = described(call, *form);
    detail.extend_from_slice(outcome(call.result).as_bytes());
    Some(Event::Privileged {
        at,
        pid,
        operation: (*name).to_owned(),
        detail: Escaped::new(&detail),
    })
}

/// Whether a ring was granted, so that what went through it was not seen.
pub(super) fn is_blind(event: &Event) -> bool {
    matches!(
        event,
        Event::Uring {
            outcome: UringOutcome::Hooked,
            ..
        }
    )
}

fn described(call: &Call<'_>, form: Form) -> Vec<u8> {
    let [first, second] = call.texts;
    match form {
        Numbers(count) => listed(call, count, |argument| {
            // Users and descriptors have 32 bits; -1 is one of them.
            let [a, b, c, d, ..] = argument.to_le_bytes();
            i32::from_le_bytes([a, b, c, d]).to_string()
        }),
        Bits(count) => listed(call, count, |argument| format!("{argument:#x}")),
        Text => until_zero(first).to_vec(),
        Texts => [until_zero(first), b", ", until_zero(second)].concat(),
        Address => address(first).into_bytes(),
    }
}

fn listed(call: &Call<'_>, count: usize, one: fn(u64) -> String) -> Vec<u8> {
    let told: Vec<String> = call
        .arguments
        .iter()
        .take(count)
        .map(|argument| one(*argument))
        .collect();
    told.join(", ").into_bytes()
}

fn outcome(result: i64) -> String {
    if result >= 0 {
        return format!(" = {result}");
    }
    let code = i32::try_from(result.saturating_neg()).unwrap_or(i32::MAX);
    let mut text = format!(" refused: {}", io::Error::from_raw_os_error(code));
    // The number is for those who read the source; the words are enough.
    if let Some(place) = text.find(" (os error") {
        text.truncate(place);
    }
    text
}

fn until_zero(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0);
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The address that a socket is bound to.
fn address(raw: &[u8]) -> String {
    let number = |at: usize| raw.get(at).copied().unwrap_or(0);
    let family = u16::from_le_bytes([number(0), number(1)]);
    let port = u16::from_be_bytes([number(2), number(3)]);
    let mut text = String::new();
    // Writing to a string never fails.
    let _ = match family {
        FAMILY_INET => {
            let address = Ipv4Addr::new(number(4), number(5), number(6), number(7));
            write!(text, "{address}:{port}")
        }
        FAMILY_INET6 => {
            let bytes: [u8; 16] = std::array::from_fn(|index| number(8 + index));
            write!(text, "[{}]:{port}", Ipv6Addr::from(bytes))
        }
        1 => write!(text, "unix {}", unix_name(raw.get(..110).unwrap_or(raw))),
        other => write!(text, "family {other}"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u32, result: i64, text: &[u8]) -> Option<Event> {
        let mut first = [0; 256];
        first[..text.len()].copy_from_slice(text);
        let call = Call {
            number,
            arguments: [u64::from(u32::MAX), 3, 0, 0, 0, 0],
            result,
            texts: [&first, b"/mnt\0"],
        };
        told(&call, 1, 2)
    }

    fn detail(event: Option<Event>) -> String {
        match event {
            Some(Event::Privileged { detail, .. }) => detail.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_and_outcome_are_told() {
        assert_eq!(detail(call(105, 0, b"")), "-1 = 0");
        assert_eq!(
            detail(call(165, -1, b"/dev/sda\0")),
            "/dev/sda, /mnt refused: Operation not permitted"
        );
        let bound = b"\x02\0\0\x50\x7f\0\0\x01";
        assert_eq!(detail(call(49, 0, bound)), "127.0.0.1:80 = 0");
        assert_eq!(detail(call(49, 0, b"\x01\0/run/s\0")), "unix /run/s = 0");
    }

    #[test]
    fn a_ring_that_was_granted_blinds() {
        let granted = call(425, 4, b"").unwrap();
        let denied = call(425, -1, b"").unwrap();
        assert!(is_blind(&granted) && !is_blind(&denied));
    }

    /// What the programs in the kernel tell and what this list names must be the same.
    #[test]
    fn every_call_that_is_told_has_a_name() {
        let source = include_str!("../../bpf/calls.h");
        let told = ["A_CALL", "A_SOCKET", "A_CLONE"];
        let mut numbers: Vec<u32> = Vec::new();
        for line in source.lines() {
            let Some((number, action)) = line.trim().split_once("] = ") else {
                continue;
            };
            if told.iter().any(|one| action.starts_with(one)) {
                numbers.push(number.trim_start_matches('[').parse().unwrap());
            }
        }
        let named: Vec<u32> = CALLS.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, named);
        assert!(numbers.len() > 50);
    }
}
