//! Puts a certificate authority into the trust stores below a root, and says which there were.
//!
//! It knows stores by their places and adds to them; what is in them already is kept. It reads no
//! certificate, and leaves alone whatever leads outside the root. A product that brings a store of
//! its own, or trusts one key alone, is not helped: the gateway then sees it refuse.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lab::control::AUTHORITY_HASH;

use crate::enclosure::Trust;

/// Where the certificate is put by itself: where Debian's `update-ca-certificates` finds it again.
const ALONE: &str = "usr/local/share/ca-certificates/candor-lab.crt";
/// Where `update-ca-trust` does.
const ANCHORS: &str = "etc/pki/ca-trust/source/anchors";
/// What the stores call it.
const NICKNAME: &str = "candor-lab";

/// Every authority in one file; OpenSSL, GnuTLS and what is built on them read one of these.
const BUNDLES: &[&str] = &[
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/ssl/cert.pem",
    "etc/ssl/ca-bundle.pem",
    "usr/share/ssl/certs/ca-bundle.crt",
];
/// Folders in which OpenSSL finds an authority by its name's hash.
const HASHED: &[&str] = &["etc/ssl/certs", "etc/pki/tls/certs"];
/// Where Python's packages are, below a folder of each version.
const PYTHON: &[&str] = &["usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64"];
const PACKAGES: &[&str] = &["dist-packages", "site-packages", ""];
/// The bundles that Python's packages bring.
const CERTIFI: &[&str] = &[
    "certifi/cacert.pem",
    "pip/_vendor/certifi/cacert.pem",
    "botocore/cacert.pem",
];
/// Variables that name a bundle, and one that names what to add to one.
const BUNDLE_VARIABLES: &[&str] = &[
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
];
const EXTRA_VARIABLE: &str = "NODE_EXTRA_CA_CERTS";
/// The password of every Java store that nobody changed.
const JAVA_PASSWORD: &str = "changeit";

/// Puts `certificate`, in PEM, into every store below `root`.
#[must_use]
pub(crate) fn install(root: &Path, certificate: &str) -> Trust {
    let mut stores = Stores {
        root,
        certificate,
        trust: Trust::default(),
    };
    stores.alone();
    stores.bundles();
    stores.hashed();
    stores.certifi();
    stores.nss();
    stores.java();
    stores.trust
}

struct Stores<'a> {
    root: &'a Path,
    certificate: &'a str,
    trust: Trust,
}

impl Stores<'_> {
    /// The certificate as a file, for the tools and for Node.
    fn alone(&mut self) {
        let path = self.root.join(ALONE);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| self.inside(path.parent().unwrap_or(self.root)))
            .and_then(|_| fs::write(&path, self.certificate));
        if self.told(ALONE, written) {
            self.set(EXTRA_VARIABLE, ALONE);
        }
        let anchors = self.root.join(ANCHORS);
        if anchors.is_dir() {
            let name = format!("{ANCHORS}/{NICKNAME}.pem");
            let written = self
                .inside(&anchors)
                .and_then(|folder| fs::write(folder.join("candor-lab.pem"), self.certificate));
            self.told(&name, written);
        }
    }

    fn bundles(&mut self) {
        let mut seen: Vec<PathBuf> = Vec::new();
        let mut first = None;
        for place in BUNDLES {
            let path = self.root.join(place);
            if !path.exists() {
                self.trust.absent.push(format!("/{place}"));
                continue;
            }
            // Several of these names may be one file.
            let added = self.inside(&path).and_then(|path| {
                if seen.contains(&path) {
                    return Ok(());
                }
                let added = append(&path, self.certificate);
                seen.push(path);
                added
            });
            if self.told(place, added) {
                first.get_or_insert(*place);
            }
        }
        for variable in BUNDLE_VARIABLES {
            self.set(variable, first.unwrap_or(ALONE));
        }
    }

    fn hashed(&mut self) {
        for place in HASHED {
            let folder = self.root.join(place);
            if !folder.is_dir() {
                self.trust
                    .absent
                    .push(format!("/{place}/{AUTHORITY_HASH}.0"));
                continue;
            }
            let linked = self.inside(&folder).and_then(|folder| {
                let name = format!("{NICKNAME}.pem");
                fs::write(folder.join(&name), self.certificate)?;
                link(&folder, &name)
            });
            self.told(&format!("{place}/{AUTHORITY_HASH}.0"), linked);
        }
    }

    fn certifi(&mut self) {
        let mut found = 0;
        for version in PYTHON
            .iter()
            .flat_map(|place| children(&self.root.join(place)))
        {
            if !name_starts(&version, "python3") {
                continue;
            }
            for packages in PACKAGES {
                for bundle in CERTIFI {
                    let path = version.join(packages).join(bundle);
                    if path.is_file() {
                        found += 1;
                        let added = self
                            .inside(&path)
                            .and_then(|path| append(&path, self.certificate));
                        let name = self.below(&path);
                        self.told(&name, added);
                    }
                }
            }
        }
        if found == 0 {
            self.trust.absent.push("certifi's cacert.pem".to_owned());
        }
    }

    /// NSS keeps a database for the system and one for each person.
    fn nss(&mut self) {
        if !self.has("usr/bin/certutil") {
            return self
                .trust
                .absent
                .push("NSS: there is no certutil".to_owned());
        }
        let homes = children(&self.root.join("home"));
        let people = homes.into_iter().chain([self.root.join("root")]);
        let mut databases: Vec<PathBuf> = people.map(|home| home.join(".pki/nssdb")).collect();
        databases.retain(|database| database.is_dir());
        let system = self.root.join("etc/pki/nssdb");
        databases.extend(system.is_dir().then_some(system));
        if databases.is_empty() {
            self.trust.absent.push("an NSS database".to_owned());
        }
        for database in databases {
            let name = self.below(&database);
            let place = format!("sql:/{name}");
            let file = format!("/{ALONE}");
            let arguments = ["-d", &place, "-A", "-t", "C,,", "-n", NICKNAME, "-i", &file];
            let added = self.ran("/usr/bin/certutil", &arguments);
            self.told(&name, added);
        }
    }

    fn java(&mut self) {
        let machines = children(&self.root.join("usr/lib/jvm"));
        let keytool = machines.iter().map(|machine| machine.join("bin/keytool"));
        let keytool = [self.root.join("usr/bin/keytool")]
            .into_iter()
            .chain(keytool)
            .find(|tool| tool.exists());
        let stores = machines.iter().flat_map(|machine| {
            ["lib/security/cacerts", "jre/lib/security/cacerts"].map(|store| machine.join(store))
        });
        let stores = stores.chain([self.root.join("etc/ssl/certs/java/cacerts")]);
        let mut seen = Vec::new();
        let mut stores: Vec<PathBuf> = stores.filter(|store| store.is_file()).collect();
        stores.retain(|store| match self.inside(store) {
            Ok(real) if !seen.contains(&real) => {
                seen.push(real);
                true
            }
            _ => false,
        });
        let Some(keytool) = keytool.filter(|_| !stores.is_empty()) else {
            return self
                .trust
                .absent
                .push("Java's cacerts, or keytool".to_owned());
        };
        let keytool = format!("/{}", self.below(&keytool));
        for store in stores {
            let name = self.below(&store);
            let (place, file) = (format!("/{name}"), format!("/{ALONE}"));
            let arguments = [
                "-importcert",
                "-noprompt",
                "-trustcacerts",
                "-alias",
                NICKNAME,
                "-file",
                &file,
                "-keystore",
                &place,
                "-storepass",
                JAVA_PASSWORD,
            ];
            let added = self.ran(&keytool, &arguments);
            self.told(&name, added);
        }
    }

    /// Where a path really leads, which must be below the root.
    fn inside(&self, path: &Path) -> io::Result<PathBuf> {
        let real = fs::canonicalize(path)?;
        if real.starts_with(fs::canonicalize(self.root)?) {
            Ok(real)
        } else {
            Err(io::Error::other("it leads out of the enclosure"))
        }
    }

    /// A program below the root, on what is below the root.
    fn ran(&self, program: &str, arguments: &[&str]) -> io::Result<()> {
        let mut command = if self.root == Path::new("/") {
            Command::new(program)
        } else {
            let mut command = Command::new("chroot");
            command.arg(self.root).arg(program);
            command
        };
        let output = command.args(arguments).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words);
        let first = words
            .lines()
            .next()
            .unwrap_or("it failed and did not say why");
        Err(io::Error::other(first.to_owned()))
    }

    fn has(&self, place: &str) -> bool {
        self.root.join(place).exists()
    }

    /// A path as it is seen from the root, without the slash at its start.
    fn below(&self, path: &Path) -> String {
        let below = path.strip_prefix(self.root).unwrap_or(path);
        below.to_string_lossy().into_owned()
    }

    fn set(&mut self, variable: &str, place: &str) {
        let value = (variable.to_owned(), format!("/{place}"));
        self.trust.environment.push(value);
    }

    /// Notes what became of a store; whether it trusts the certificate now.
    fn told(&mut self, place: &str, result: io::Result<()>) -> bool {
        match result {
            Ok(()) => self.trust.done.push(format!("/{place}")),
            Err(error) => {
                self.trust.absent.push(format!("/{place}: {error}"));
                return false;
            }
        }
        true
    }
}

/// Adds to a bundle, once.
fn append(bundle: &Path, certificate: &str) -> io::Result<()> {
    let content = fs::read(bundle)?;
    let wanted = certificate.as_bytes();
    if content.windows(wanted.len()).any(|window| window == wanted) {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).open(bundle)?;
    if !content.is_empty() && !content.ends_with(b"\n") {
        file.write_all(b"\n")?;
    }
    file.write_all(wanted)
}

/// The link by which OpenSSL finds it. Names with the same hash are told apart by a number.
fn link(folder: &Path, name: &str) -> io::Result<()> {
    for number in 0..10 {
        let path = folder.join(format!("{AUTHORITY_HASH}.{number}"));
        match symlink(name, &path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read_link(&path).is_ok_and(|target| target == Path::new(name)) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("every link of that hash is taken"))
}

/// What is in a folder, in order; nothing where there is none.
fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}

fn name_starts(path: &Path, front: &str) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| name.starts_with(front))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

    fn root_with(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "before").unwrap();
        }
        root
    }

    #[test]
    fn each_store_that_is_there_gets_it_once_and_keeps_what_it_had() {
        let bundle = "etc/ssl/certs/ca-certificates.crt";
        let certifi = "usr/lib/python3.11/site-packages/certifi/cacert.pem";
        let root = root_with(&[bundle, certifi]);
        symlink(
            "certs/ca-certificates.crt",
            root.path().join("etc/ssl/cert.pem"),
        )
        .unwrap();
        for _ in 0..2 {
            let trust = install(root.path(), PEM);
            assert!(trust.done.contains(&format!("/{bundle}")), "{trust:?}");
            assert!(trust.done.contains(&format!("/{certifi}")), "{trust:?}");
            let file = trust
                .environment
                .iter()
                .find(|(name, _)| name == "SSL_CERT_FILE");
            assert_eq!(file.unwrap().1, format!("/{bundle}"));
            for path in [bundle, certifi] {
                let text = fs::read_to_string(root.path().join(path)).unwrap();
                assert_eq!(text, format!("before\n{PEM}"), "{path}");
            }
            let link = format!("etc/ssl/certs/{AUTHORITY_HASH}.0");
            assert_eq!(fs::read_to_string(root.path().join(link)).unwrap(), PEM);
        }
    }

    #[test]
    fn where_there_is_no_store_that_is_said_and_the_variables_still_help() {
        let root = root_with(&[]);
        let trust = install(root.path(), PEM);
        assert_eq!(trust.done, [format!("/{ALONE}")]);
        assert!(
            trust
                .absent
                .iter()
                .any(|absent| absent == "/etc/ssl/certs/ca-certificates.crt")
        );
        assert!(
            trust
                .environment
                .iter()
                .all(|(_, place)| *place == format!("/{ALONE}"))
        );
    }

    #[test]
    fn what_leads_out_of_the_root_is_left_alone() {
        let outside = root_with(&["bundle"]);
        let root = root_with(&["etc/ssl/certs/other"]);
        let bundle = outside.path().join("bundle");
        symlink(&bundle, root.path().join("etc/ssl/cert.pem")).unwrap();
        symlink(outside.path(), root.path().join("etc/pki")).unwrap();
        let trust = install(root.path(), PEM);
        assert_eq!(fs::read_to_string(&bundle).unwrap(), "before");
        assert!(
            trust
                .absent
                .iter()
                .any(|absent| absent.starts_with("/etc/ssl/cert.pem: "))
        );
    }

    #[test]
    fn openssl_and_nss_agree_with_the_hash_and_the_words_that_are_used() {
        if !Path::new("/usr/bin/certutil").exists() || !Path::new("/usr/bin/openssl").exists() {
            println!("skipped: an NSS database needs certutil and openssl");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("sh")
            .arg("-c")
            .arg(
                "cd \"$0\" && openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c \
                 -subj '/CN=Candor lab, this run only' 2>/dev/null \
                 && mkdir db && certutil -d sql:db -N --empty-password \
                 && certutil -d sql:db -A -t C,, -n candor-lab -i c \
                 && certutil -d sql:db -L && openssl x509 -noout -subject_hash -in c",
            )
            .arg(folder.path())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&made.stdout);
        assert!(
            out.contains("candor-lab") && out.contains("C,,"),
            "{made:?}"
        );
        assert!(out.trim_end().ends_with(AUTHORITY_HASH), "{out}");
    }
}
