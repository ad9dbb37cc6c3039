//! The system call filter: an allow-list, with arguments where a call is harmless only with some.
//!
//! What is not listed fails with EPERM. A call by another machine's convention (32-bit code)
//! ends the process.

use std::collections::BTreeMap;

use proto::Layer;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::{JailError, JailSettings, Layers};

#[cfg(target_arch = "x86_64")]
const MACHINE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: TargetArch = TargetArch::aarch64;

/// The worker's socket and its diagnostics, by descriptor.
const SOCKET: u64 = 0;
const DIAGNOSTICS: u64 = 2;

/// All that the supervisor does. 64-bit ARM has no `poll`, and x86-64 uses it.
const SUPERVISOR_CALLS: &[i64] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_wait4,
    libc::SYS_exit_group,
];

/// The filter of a jailed process.
pub(super) fn worker(settings: &JailSettings) -> Result<BpfProgram, JailError> {
    let allowed = settings
        .allowed_calls
        .iter()
        .filter(|call| !settings.withheld_calls.contains(&call.name))
        .map(|call| call.number);
    compiled(allowed)
}

/// The filter of the process that waits for it.
pub(super) fn supervisor() -> Result<BpfProgram, JailError> {
    compiled(SUPERVISOR_CALLS.iter().copied())
}

/// Loads a filter for every thread, for good.
pub(super) fn load(filter: &BpfProgram, layers: &mut Layers) {
    match seccompiler::apply_filter_all_threads(filter) {
        Ok(()) => layers.active(Layer::Seccomp),
        Err(error) => layers.missing(Layer::Seccomp, error.to_string()),
    }
}

fn compiled(allowed: impl Iterator<Item = i64>) -> Result<BpfProgram, JailError> {
    let failed = |error: &dyn std::fmt::Display| JailError::Filter(error.to_string());
    let mut rules = BTreeMap::new();
    for number in allowed {
        let chain = conditions(number).map_err(|error| failed(&error))?;
        rules.insert(number, chain);
    }
    // EPERM, not death: a library that tries something dispensable gets an error it can handle.
    let errno = u32::try_from(libc::EPERM).map_err(|error| failed(&error))?;
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(errno),
        SeccompAction::Allow,
        MACHINE,
    )
    .and_then(BpfProgram::try_from)
    .map_err(|error| failed(&error))
}

/// The arguments with which a call is allowed; no rule means any.
fn conditions(number: i64) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let conditions = match number {
        // Memory, as long as it is not executable.
        libc::SYS_mmap | libc::SYS_mprotect => vec![without_bits(2, libc::PROT_EXEC.into())?],
        // Answers to the pool, with no address of anybody else.
        libc::SYS_sendto => vec![equals(0, SOCKET)?, is_null(4)?],
        libc::SYS_recvmsg => vec![equals(0, SOCKET)?],
        libc::SYS_write => vec![equals(0, DIAGNOSTICS)?],
        _ => return Ok(Vec::new()),
    };
    Ok(vec![SeccompRule::new(conditions)?])
}

type Condition = Result<SeccompCondition, seccompiler::BackendError>;

fn equals(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_null(argument: u8) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

fn without_bits(argument: u8, bits: i64) -> Condition {
    let bits = u64::try_from(bits).unwrap_or(u64::MAX);
    SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(bits),
        0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jail::AllowedCall;

    #[test]
    fn a_withheld_call_is_not_in_the_filter() {
        const CALLS: &[AllowedCall] = &[
            AllowedCall {
                name: "close",
                number: libc::SYS_close,
            },
            AllowedCall {
                name: "pwrite64",
                number: libc::SYS_pwrite64,
            },
        ];
        let whole = JailSettings {
            allowed_calls: CALLS,
            withheld_calls: &[],
            data_bytes_max: 0,
            file_bytes_max: 0,
            open_files_max: 0,
        };
        let less = JailSettings {
            withheld_calls: &["pwrite64"],
            ..whole
        };
        assert!(worker(&less).unwrap().len() < worker(&whole).unwrap().len());
    }
}
