//! The fake vendor: what the plan's script answers to a request.
//!
//! The first answer that fits is given, always the same to the same request in the same phase.
//! Where none fits, downloads are not found and uploads are welcome, so that a product that
//! sends something goes on sending.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use lab::control::VendorFile;
use lab::plan::{PhaseName, VendorAnswer};

/// What is asked.
pub(crate) struct Asked<'a> {
    pub(crate) host: &'a str,
    pub(crate) method: &'a str,
    /// With the query.
    pub(crate) path: &'a str,
}

/// What is answered.
pub(crate) struct Answer {
    /// Which answer of the script.
    pub(crate) script: Option<u32>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
    pub(crate) delay_ms: u64,
}

/// The body of an answer.
#[derive(Clone)]
pub(crate) enum Body {
    Bytes(Rc<[u8]>),
    File(Rc<Served>),
}

/// A file of the plan's.
pub(crate) struct Served {
    pub(crate) file: OwnedFd,
    pub(crate) size_bytes: u64,
}

/// The script, and how far the plan is.
#[derive(Default)]
pub(crate) struct Vendor {
    answers: Vec<VendorAnswer>,
    files: HashMap<VendorFile, Rc<Served>>,
    phase: Option<PhaseName>,
}

impl Vendor {
    pub(crate) fn new(answers: Vec<VendorAnswer>) -> Self {
        Self {
            answers,
            ..Self::default()
        }
    }

    /// How many files it serves.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// Serves a file too.
    pub(crate) fn serve(&mut self, name: VendorFile, file: OwnedFd) -> std::io::Result<()> {
        let size_bytes = kernel::file::stat(&file)?.size_bytes;
        self.files
            .insert(name, Rc::new(Served { file, size_bytes }));
        Ok(())
    }

    /// The plan's next phase began.
    pub(crate) fn begin(&mut self, phase: Option<PhaseName>) {
        self.phase = phase;
    }

    /// The answer to a request.
    pub(crate) fn answer(&self, asked: &Asked<'_>) -> Answer {
        let scripted = self
            .answers
            .iter()
            .zip(0u32..)
            .find_map(|(answer, script)| {
                let fits = self.fits(answer, asked);
                fits.then(|| self.scripted(answer, script, asked)).flatten()
            });
        scripted.unwrap_or_else(|| unscripted(asked.method))
    }

    fn fits(&self, answer: &VendorAnswer, asked: &Asked<'_>) -> bool {
        let phase = answer.phases.is_empty()
            || self
                .phase
                .is_some_and(|phase| answer.phases.contains(&phase));
        phase
            && fits(answer.method.as_deref(), |method| {
                method.eq_ignore_ascii_case(asked.method)
            })
            && fits(answer.host.as_deref(), |host| host_fits(host, asked.host))
            && fits(answer.path.as_deref(), |path| path_fits(path, asked.path))
    }

    /// The answer in full; `None` where its folder lacks what was asked.
    fn scripted(&self, answer: &VendorAnswer, script: u32, asked: &Asked<'_>) -> Option<Answer> {
        let body = match (&answer.file, &answer.text) {
            (Some(_), _) => Body::File(Rc::clone(self.file(script, asked.path)?)),
            (None, Some(text)) => Body::Bytes(text.as_bytes().into()),
            (None, None) => Body::Bytes(Rc::default()),
        };
        Some(Answer {
            script: Some(script),
            status: answer.status,
            headers: answer.headers.clone().into_iter().collect(),
            body,
            delay_ms: answer.delay_ms,
        })
    }

    fn file(&self, script: u32, path: &str) -> Option<&Rc<Served>> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let below = path.trim_start_matches('/').to_owned();
        let alone = VendorFile { script, path: None };
        let inside = VendorFile {
            script,
            path: Some(below),
        };
        self.files.get(&alone).or_else(|| self.files.get(&inside))
    }
}

fn unscripted(method: &str) -> Answer {
    let (status, text): (u16, &[u8]) = match method {
        "POST" | "PUT" | "PATCH" => (200, b"ok\n"),
        _ => (404, b"not found\n"),
    };
    Answer {
        script: None,
        status,
        headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())],
        body: Body::Bytes(text.into()),
        delay_ms: 0,
    }
}

/// What is absent fits everything.
fn fits(wanted: Option<&str>, does: impl FnOnce(&str) -> bool) -> bool {
    wanted.is_none_or(does)
}

fn host_fits(wanted: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let wanted = wanted.to_ascii_lowercase();
    match wanted.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|front| front.ends_with('.')),
        None => host == wanted,
    }
}

fn path_fits(wanted: &str, path: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(front) => path.starts_with(front),
        None => path == wanted,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn asked<'a>(method: &'a str, host: &'a str, path: &'a str) -> Asked<'a> {
        Asked { host, method, path }
    }

    #[test]
    fn the_first_answer_that_fits_is_given() {
        let answer = |host: &str, path: &str, status| VendorAnswer {
            host: Some(host.to_owned()),
            path: Some(path.to_owned()),
            status,
            ..VendorAnswer::default()
        };
        let mut later = answer("*.example", "/a", 202);
        later.phases = vec![PhaseName::Update];
        let mut vendor = Vendor::new(vec![answer("a.example", "/x*", 201), later]);
        let status = |vendor: &Vendor, host, path| vendor.answer(&asked("GET", host, path)).status;
        assert_eq!(status(&vendor, "A.Example", "/xyz"), 201);
        assert_eq!(status(&vendor, "b.a.example", "/a"), 404);
        vendor.begin(Some(PhaseName::Update));
        assert_eq!(status(&vendor, "b.a.example", "/a"), 202);
        assert_eq!(status(&vendor, "example", "/a"), 404);
    }

    #[test]
    fn uploads_are_welcome() {
        let vendor = Vendor::default();
        assert_eq!(vendor.answer(&asked("POST", "a", "/")).status, 200);
        assert_eq!(vendor.answer(&asked("GET", "a", "/")).status, 404);
    }

    #[test]
    fn a_folder_serves_what_it_has() {
        let answer = VendorAnswer {
            file: Some("mirror".to_owned()),
            status: 200,
            ..VendorAnswer::default()
        };
        let mut vendor = Vendor::new(vec![answer]);
        let name = VendorFile {
            script: 0,
            path: Some("db/main.cvd".to_owned()),
        };
        vendor
            .serve(name, kernel::file::memory_file("x").unwrap())
            .unwrap();
        let status = |path| vendor.answer(&asked("GET", "any", path)).status;
        assert_eq!(status("/db/main.cvd?x=1"), 200);
        assert_eq!(status("/db/daily.cvd"), 404);
    }
}
