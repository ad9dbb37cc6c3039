//! Runs a program under what a default container adds: no new namespaces, no mounts, no keys, no
//! tracing; everything else stays.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use kernel::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

const REFUSED: [i64; 18] = [
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_kexec_load,
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: as-in-container PROGRAM [ARGUMENT…]");
        return ExitCode::from(2);
    };
    if let Err(error) = restrict() {
        eprintln!("as-in-container: {error}");
        return ExitCode::from(2);
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("as-in-container: {}: {error}", program.display());
    ExitCode::from(2)
}

fn restrict() -> Result<(), Box<dyn std::error::Error>> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    let rules: BTreeMap<_, _> = REFUSED.map(|number| (number, Vec::new())).into();
    let errno = u32::try_from(libc::EPERM)?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno),
        machine,
    )?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    Ok(())
}
