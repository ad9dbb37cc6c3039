//! The trust stores of the enclosure with one certificate more: which files it takes, and what is
//! to be in them.
//!
//! Stores are known by their places, and keep what is in them. They are made once, before anything
//! runs inside, so that nobody takes them for a product's doing. It changes nothing on the machine:
//! stores in formats of their own are changed as copies, by the machine's own tools. It reads no
//! certificate. A product that brings a store of its own, or trusts one key alone, is not helped:
//! the gateway then sees it refuse.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lab::control::AUTHORITY_HASH;

/// Where the certificate is put by itself: where Debian's `update-ca-certificates` finds it again.
const ALONE: &str = "usr/local/share/ca-certificates/candor-lab.crt";
/// Where `update-ca-trust` does.
const ANCHORS: &str = "etc/pki/ca-trust/source/anchors";
/// Root's own NSS database inside, which is new.
const NSS_HOME: &str = "root/.pki/nssdb";
/// The system's.
const NSS_SYSTEM: &str = "etc/pki/nssdb";
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
/// Bundles of other programs.
const OTHERS: &[&str] = &["usr/share/nodejs/ca-certificates.crt"];
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
/// What may be read by everybody, as every store of certificates.
const MODE: u32 = 0o644;
/// The password of every Java store that nobody changed.
const JAVA_PASSWORD: &str = "changeit";

/// A file as it is to be inside: its path, its content, its permissions.
pub(crate) type Supply = (PathBuf, Vec<u8>, u32);

/// Where stores are looked for, and where copies are changed.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    /// The machine's root.
    pub(crate) root: &'a Path,
    /// A folder of our own, which need not exist.
    pub(crate) scratch: &'a Path,
}

/// What makes programs inside trust the certificate.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    /// The stores that do, whole.
    pub(crate) files: Vec<Supply>,
    /// Stores that are not there, or could not be told, and why.
    pub(crate) absent: Vec<String>,
    /// Variables that point programs to them.
    pub(crate) environment: Vec<(String, String)>,
}

impl Stores {
    /// The stores of the machine with `certificate`, in PEM, in each.
    pub(crate) fn with(certificate: &str, places: Places<'_>) -> Self {
        let mut maker = Maker {
            places,
            certificate,
            stores: Self::default(),
        };
        maker.alone();
        maker.bundles();
        maker.hashed();
        maker.certifi();
        maker.nss();
        maker.java();
        maker.stores
    }
}

struct Maker<'a> {
    places: Places<'a>,
    certificate: &'a str,
    stores: Stores,
}

impl Maker<'_> {
    /// The certificate as a file, for Node and for whoever makes the other stores anew.
    fn alone(&mut self) {
        self.put(Path::new(ALONE), self.certificate.as_bytes().to_vec(), MODE);
        self.set(EXTRA_VARIABLE, ALONE);
        if self.at(ANCHORS).is_dir() {
            let path = Path::new(ANCHORS).join(format!("{NICKNAME}.pem"));
            self.put(&path, self.certificate.as_bytes().to_vec(), MODE);
        }
    }

    fn bundles(&mut self) {
        let mut first = None;
        for place in BUNDLES {
            if !self.at(place).exists() {
                self.stores.absent.push(format!("/{place}"));
            } else if self.extended(&self.at(place)) {
                first.get_or_insert(*place);
            }
        }
        for place in OTHERS {
            if self.at(place).is_file() {
                self.extended(&self.at(place));
            }
        }
        for variable in BUNDLE_VARIABLES {
            self.set(variable, first.unwrap_or(ALONE));
        }
    }

    fn hashed(&mut self) {
        for place in HASHED {
            let folder = self.at(place);
            // Names with the same hash are told apart by a number.
            let mut names = (0..10).map(|number| format!("{AUTHORITY_HASH}.{number}"));
            let free = names.find(|name| fs::symlink_metadata(folder.join(name)).is_err());
            match (folder.is_dir(), free) {
                (true, Some(name)) => {
                    let path = Path::new(place).join(name);
                    self.put(&path, self.certificate.as_bytes().to_vec(), MODE);
                }
                (true, None) => self.lacks(place, "every name of that hash is taken"),
                (false, _) => self.stores.absent.push(format!("/{place}")),
            }
        }
    }

    fn certifi(&mut self) {
        let mut found = false;
        let versions = PYTHON.iter().flat_map(|place| children(&self.at(place)));
        let versions: Vec<PathBuf> = versions.collect();
        for version in versions {
            if !name_starts(&version, "python3") {
                continue;
            }
            for packages in PACKAGES {
                for bundle in CERTIFI {
                    let path = version.join(packages).join(bundle);
                    found |= path.is_file() && self.extended(&path);
                }
            }
        }
        if !found {
            self.stores.absent.push("certifi's cacert.pem".to_owned());
        }
    }

    /// NSS keeps a database for the system and one for each person.
    fn nss(&mut self) {
        let Some(tool) = self.tool(&["usr/bin/certutil"]) else {
            return self.lacks("NSS", "there is no certutil");
        };
        let new = self.scratch("nss-home").and_then(|folder| {
            let database = format!("sql:{}", folder.display());
            ran(&tool, &["-d", &database, "-N", "--empty-password"])?;
            self.told_nss(&tool, &folder)?;
            Ok(folder)
        });
        self.take(NSS_HOME, new);
        if self.at(NSS_SYSTEM).join("cert9.db").is_file() {
            let copied = self.scratch("nss-system").and_then(|folder| {
                for file in children(&self.at(NSS_SYSTEM)) {
                    copy_into(&file, &folder)?;
                }
                self.told_nss(&tool, &folder)?;
                Ok(folder)
            });
            self.take(NSS_SYSTEM, copied);
        }
    }

    fn told_nss(&self, tool: &Path, folder: &Path) -> io::Result<()> {
        let database = format!("sql:{}", folder.display());
        let file = self.certificate_file()?;
        let file = file.to_string_lossy();
        ran(
            tool,
            &[
                "-d", &database, "-A", "-t", "C,,", "-n", NICKNAME, "-i", &file,
            ],
        )
    }

    fn java(&mut self) {
        let machines = children(&self.at("usr/lib/jvm"));
        let mut tools = vec![self.at("usr/bin/keytool")];
        tools.extend(machines.iter().map(|machine| machine.join("bin/keytool")));
        let tool = tools.into_iter().find(|tool| tool.is_file());
        let mut stores = vec![self.at("etc/ssl/certs/java/cacerts")];
        stores.extend(machines.iter().flat_map(|machine| {
            ["lib/security/cacerts", "jre/lib/security/cacerts"].map(|store| machine.join(store))
        }));
        stores.retain(|store| store.is_file());
        let Some(tool) = tool.filter(|_| !stores.is_empty()) else {
            return self.lacks("Java's cacerts", "there is none, or no keytool");
        };
        for store in stores {
            let changed = self.changed_java(&tool, &store);
            self.noted(&store, changed);
        }
    }

    fn changed_java(&self, tool: &Path, store: &Path) -> io::Result<Vec<u8>> {
        let folder = self.scratch("java")?;
        let copy = copy_into(store, &folder)?;
        let (place, file) = (copy.to_string_lossy(), self.certificate_file()?);
        let file = file.to_string_lossy();
        let what = ["-importcert", "-noprompt", "-trustcacerts"];
        let whose = ["-alias", NICKNAME, "-file", &file];
        let there = ["-keystore", &place, "-storepass", JAVA_PASSWORD];
        ran(tool, &[&what[..], &whose, &there].concat())?;
        let content = fs::read(&copy)?;
        fs::remove_dir_all(folder)?;
        Ok(content)
    }

    /// A bundle with the certificate at its end; whether it could be made.
    fn extended(&mut self, bundle: &Path) -> bool {
        let content = fs::read(bundle).map(|mut content| {
            if content.last().is_some_and(|last| *last != b'\n') {
                content.push(b'\n');
            }
            content.extend(self.certificate.as_bytes());
            content
        });
        self.noted(bundle, content)
    }

    /// Takes the content of a store, or why there is none. Several names may be one store.
    fn noted(&mut self, store: &Path, content: io::Result<Vec<u8>>) -> bool {
        let made = self.real(store).and_then(|path| {
            let mode = fs::metadata(store)?.permissions().mode() & 0o7777;
            Ok((path, content?, mode))
        });
        match made {
            Ok((path, content, mode)) => self.put(&path, content, mode),
            Err(error) => {
                let name = self.below(store);
                self.lacks(&name.to_string_lossy(), &error.to_string());
                return false;
            }
        }
        true
    }

    /// Takes every file of a folder that was made for a place inside.
    fn take(&mut self, place: &str, folder: io::Result<PathBuf>) {
        let folder = match folder {
            Ok(folder) => folder,
            Err(error) => return self.lacks(place, &error.to_string()),
        };
        for file in children(&folder) {
            let name = file.file_name().unwrap_or_default();
            match fs::read(&file) {
                Ok(content) => self.put(&Path::new(place).join(name), content, MODE),
                Err(error) => self.lacks(place, &error.to_string()),
            }
        }
    }

    fn put(&mut self, below: &Path, content: Vec<u8>, mode: u32) {
        let path = Path::new("/").join(below);
        if !self.stores.files.iter().any(|(known, ..)| *known == path) {
            self.stores.files.push((path, content, mode));
        }
    }

    fn lacks(&mut self, what: &str, why: &str) {
        self.stores.absent.push(format!("{what}: {why}"));
    }

    fn set(&mut self, variable: &str, place: &str) {
        let value = (variable.to_owned(), format!("/{place}"));
        self.stores.environment.push(value);
    }

    fn at(&self, place: &str) -> PathBuf {
        self.places.root.join(place)
    }

    fn tool(&self, places: &[&str]) -> Option<PathBuf> {
        let mut places = places.iter().map(|place| self.at(place));
        places.find(|tool| tool.is_file())
    }

    /// An empty folder of our own.
    fn scratch(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.places.scratch.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn certificate_file(&self) -> io::Result<PathBuf> {
        fs::create_dir_all(self.places.scratch)?;
        let path = self.places.scratch.join("authority.pem");
        fs::write(&path, self.certificate)?;
        Ok(path)
    }

    /// Where a path really leads, which must be below the root.
    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        let real = fs::canonicalize(path)?;
        let root = fs::canonicalize(self.places.root)?;
        let below = real.strip_prefix(root);
        let below = below.map_err(|_| io::Error::other("it leads out of the root"))?;
        Ok(below.to_owned())
    }

    fn below(&self, path: &Path) -> PathBuf {
        let below = path.strip_prefix(self.places.root).unwrap_or(path);
        Path::new("/").join(below)
    }
}

/// Runs one of the machine's tools.
fn ran(tool: &Path, arguments: &[&str]) -> io::Result<()> {
    let mut command = Command::new(tool);
    let output = command.args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    let first = words.lines().next().unwrap_or("it failed without a word");
    Err(io::Error::other(first.to_owned()))
}

fn copy_into(file: &Path, folder: &Path) -> io::Result<PathBuf> {
    let copy = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, &copy)?;
    Ok(copy)
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
    use std::os::unix::fs::symlink;

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

    fn stores(root: &Path, certificate: &str) -> Stores {
        let scratch = tempfile::tempdir().unwrap();
        let scratch = scratch.path();
        Stores::with(certificate, Places { root, scratch })
    }

    fn content<'a>(stores: &'a Stores, path: &str) -> Option<&'a [u8]> {
        let mut files = stores.files.iter();
        let found = files.find(|(known, ..)| known == Path::new(path))?;
        Some(&found.1)
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
        let stores = stores(root.path(), PEM);
        let extended = format!("before\n{PEM}");
        for path in [bundle, certifi] {
            assert_eq!(
                content(&stores, &format!("/{path}")),
                Some(extended.as_bytes()),
                "{path}"
            );
            assert_eq!(
                fs::read_to_string(root.path().join(path)).unwrap(),
                "before"
            );
        }
        assert_eq!(content(&stores, "/etc/ssl/cert.pem"), None);
        let hashed = format!("/etc/ssl/certs/{AUTHORITY_HASH}.0");
        assert_eq!(content(&stores, &hashed), Some(PEM.as_bytes()));
        let named = ("SSL_CERT_FILE".to_owned(), format!("/{bundle}"));
        assert!(stores.environment.contains(&named));
    }

    #[test]
    fn where_there_is_no_store_that_is_said_and_the_variables_still_help() {
        let root = root_with(&[]);
        let stores = stores(root.path(), PEM);
        assert_eq!(stores.files.len(), 1);
        assert!(
            stores
                .absent
                .contains(&"/etc/ssl/certs/ca-certificates.crt".to_owned())
        );
        assert!(
            stores
                .environment
                .iter()
                .all(|(_, place)| *place == format!("/{ALONE}"))
        );
    }

    #[test]
    fn what_leads_out_of_the_root_is_not_taken_for_a_store() {
        let outside = root_with(&["bundle"]);
        let root = root_with(&["etc/ssl/other"]);
        symlink(
            outside.path().join("bundle"),
            root.path().join("etc/ssl/cert.pem"),
        )
        .unwrap();
        let stores = stores(root.path(), PEM);
        assert_eq!(content(&stores, "/etc/ssl/cert.pem"), None);
        let mut absent = stores.absent.iter();
        assert!(absent.any(|absent| absent.starts_with("/etc/ssl/cert.pem: ")));
    }

    #[test]
    fn openssl_finds_it_by_its_hash_and_nss_trusts_it() {
        let tool = |path: &str| Path::new(path).exists();
        if !tool("/usr/bin/certutil") || !tool("/usr/bin/openssl") {
            println!("skipped: an NSS database and a hash need certutil and openssl");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            let output = command
                .args(["-c", script])
                .current_dir(folder.path())
                .output();
            let output = output.unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let name = lab::control::AUTHORITY_NAME;
        shell(&format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj '/CN={name}'"
        ));
        let hash = shell("openssl x509 -noout -subject_hash -in c");
        assert_eq!(hash.trim(), AUTHORITY_HASH);
        let stores = stores(Path::new("/"), &fs::read_to_string(path).unwrap());
        fs::create_dir(folder.path().join("db")).unwrap();
        for file in ["cert9.db", "key4.db", "pkcs11.txt"] {
            let bytes = content(&stores, &format!("/{NSS_HOME}/{file}")).unwrap();
            fs::write(folder.path().join("db").join(file), bytes).unwrap();
        }
        let listed = shell("certutil -d sql:db -L");
        assert!(
            listed.contains(NICKNAME) && listed.contains("C,,"),
            "{listed}"
        );
    }
}
