//! What a worker reports of its own jail: the layers it entered and what it tried in vain.

use alloc::string::String;
use alloc::vec::Vec;

/// A layer of the jail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Layer {
    /// No capability in any set.
    Capabilities = 0,
    /// `no_new_privs`.
    NoNewPrivileges = 1,
    /// Not dumpable: no core file, no ptrace by the same user.
    NonDumpable = 2,
    /// A user namespace of its own.
    UserNamespace = 3,
    /// A mount namespace with an empty root.
    MountNamespace = 4,
    /// A process namespace in which it sees only itself.
    PidNamespace = 5,
    /// A network namespace with no interface up.
    NetworkNamespace = 6,
    /// An IPC namespace of its own.
    IpcNamespace = 7,
    /// A host name namespace of its own.
    UtsNamespace = 8,
    /// A cgroup namespace of its own.
    CgroupNamespace = 9,
    /// Landlock: every file right handled, none granted.
    LandlockFiles = 10,
    /// Landlock: no TCP bind or connect.
    LandlockNetwork = 11,
    /// Landlock: no signal or abstract socket to the outside.
    LandlockScopes = 12,
    /// The system call allow-list.
    Seccomp = 13,
    /// No memory ever becomes executable.
    DenyWriteExecute = 14,
    /// Resource limits.
    ResourceLimits = 15,
}

impl Layer {
    /// Every layer, in the order of their codes.
    pub const ALL: [Self; 16] = [
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::NonDumpable,
        Self::UserNamespace,
        Self::MountNamespace,
        Self::PidNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::CgroupNamespace,
        Self::LandlockFiles,
        Self::LandlockNetwork,
        Self::LandlockScopes,
        Self::Seccomp,
        Self::DenyWriteExecute,
        Self::ResourceLimits,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::NonDumpable => "non-dumpable",
            Self::UserNamespace => "user-namespace",
            Self::MountNamespace => "mount-namespace",
            Self::PidNamespace => "pid-namespace",
            Self::NetworkNamespace => "network-namespace",
            Self::IpcNamespace => "ipc-namespace",
            Self::UtsNamespace => "uts-namespace",
            Self::CgroupNamespace => "cgroup-namespace",
            Self::LandlockFiles => "landlock-files",
            Self::LandlockNetwork => "landlock-network",
            Self::LandlockScopes => "landlock-scopes",
            Self::Seccomp => "seccomp",
            Self::DenyWriteExecute => "deny-write-execute",
            Self::ResourceLimits => "resource-limits",
        }
    }

    /// What a system without it gives up.
    #[must_use]
    pub fn cost_if_missing(self) -> &'static str {
        match self {
            Self::Capabilities => "a taken-over worker would keep the caller's privileges",
            Self::NoNewPrivileges => "a set-user-ID program could raise privileges",
            Self::NonDumpable => "a core file could hold scanned content",
            Self::UserNamespace => "the other namespaces need root",
            Self::MountNamespace => {
                "mounts stay visible; Landlock and seccomp still refuse to open them"
            }
            Self::PidNamespace => {
                "other processes stay visible; seccomp still refuses to signal or trace them"
            }
            Self::NetworkNamespace => "interfaces stay visible; seccomp still refuses every socket",
            Self::IpcNamespace => "System V IPC stays visible; seccomp still refuses the calls",
            Self::UtsNamespace => "the host's name stays visible",
            Self::CgroupNamespace => "the cgroup's path stays visible",
            Self::LandlockFiles => "only seccomp and the empty root keep files away",
            Self::LandlockNetwork => "only seccomp and the network namespace keep TCP away",
            Self::LandlockScopes => "only seccomp and the namespaces keep signals in",
            Self::Seccomp => "the whole kernel interface is open to a taken-over worker",
            Self::DenyWriteExecute => "seccomp alone refuses executable memory",
            Self::ResourceLimits => "memory is held by the budget alone",
        }
    }
}

/// Whether a layer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// It holds.
    Active,
    /// It does not, and why.
    Missing(String),
}

/// What a taken-over worker would try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Threat {
    /// Open a file.
    File = 0,
    /// Reach the network.
    Network = 1,
    /// Run a program.
    Exec = 2,
    /// Signal another process.
    Signal = 3,
    /// Trace another process.
    Ptrace = 4,
}

/// Every threat. The jail fails closed when a worker got through on any of them.
pub const THREATS: [Threat; 5] = [
    Threat::File,
    Threat::Network,
    Threat::Exec,
    Threat::Signal,
    Threat::Ptrace,
];

impl Threat {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Network => "network",
            Self::Exec => "exec",
            Self::Signal => "signal",
            Self::Ptrace => "ptrace",
        }
    }
}

/// One attempt of the self-test, at the threat it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The threat.
    pub threat: Threat,
    /// What was tried: `openat /etc/passwd`.
    pub attempt: String,
    /// What happened.
    pub result: ProbeResult,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// The kernel refused, with this error number.
    Refused(i32),
    /// It went through: the jail does not hold.
    Succeeded,
}

/// What a worker says of its jail before it takes its first request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JailReport {
    /// Each layer and whether it holds.
    pub layers: Vec<(Layer, LayerState)>,
    /// Each attempt and what it came to.
    pub probes: Vec<Probe>,
}

impl JailReport {
    /// Whether every threat was tried and refused.
    #[must_use]
    pub fn holds(&self) -> bool {
        THREATS.iter().all(|threat| self.holds_against(*threat))
    }

    /// Whether this threat was tried, and refused every time.
    #[must_use]
    pub fn holds_against(&self, threat: Threat) -> bool {
        let mut tried = self
            .probes
            .iter()
            .filter(|probe| probe.threat == threat)
            .peekable();
        tried.peek().is_some() && tried.all(|probe| probe.result != ProbeResult::Succeeded)
    }
}
