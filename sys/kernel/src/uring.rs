//! Refuses `io_uring`, whose reads and sends no system call shows.
//!
//! The refusal reads as that of a kernel without it, so that programs fall back to calls that can
//! be seen. It holds for the calling thread and everything that it starts.

use std::io;

/// `io_uring_setup`, `io_uring_enter`, `io_uring_register`: the same numbers on every machine and
/// in every interface that this kernel has, so that the filter need not ask which one is used.
const FIRST: u32 = 425;
const LAST: u32 = 427;
/// Marks x86-64's interface with short pointers.
const SHORT_POINTERS: u32 = 0x4000_0000;

/// Refuses from here on. Needs `no_new_privs` or the right to do without.
pub fn refuse() -> io::Result<()> {
    let mut program = program();
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(0),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program and its length describe a living array, which the kernel copies.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn program() -> [libc::sock_filter; 6] {
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    [
        // The call's number, without the mark.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, !SHORT_POINTERS),
        jump(libc::BPF_JGE, FIRST, 0, 2),
        jump(libc::BPF_JGT, LAST, 1, 0),
        statement(libc::BPF_RET | libc::BPF_K, refused),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ]
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt: 0,
        jf: 0,
        k,
    }
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        jt,
        jf,
        ..statement(libc::BPF_JMP | code | libc::BPF_K, k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(number: i64) -> i32 {
        // SAFETY: no pointer is passed, so that the kernel touches no memory.
        let result = unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) };
        match result {
            -1 => io::Error::last_os_error().raw_os_error().unwrap_or(0),
            _ => 0,
        }
    }

    #[test]
    fn rings_are_refused_and_their_neighbours_are_not() {
        // A thread of its own: the filter ends with it.
        let refused = std::thread::spawn(|| {
            // SAFETY: the flag is a number; the other arguments must be zero.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
            refuse().map(|()| {
                let rings = [425, 426, 427].map(called);
                (rings, called(424), called(428))
            })
        });
        let (rings, before, after) = refused.join().unwrap().unwrap();
        assert_eq!(rings, [libc::ENOSYS; 3]);
        assert_ne!(before, libc::ENOSYS);
        assert_ne!(after, libc::ENOSYS);
    }
}
