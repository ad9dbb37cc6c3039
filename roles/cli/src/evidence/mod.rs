//! `candor evidence`: makes keys, signs, and shows what evidence says. What is to be signed is
//! read by a jailed process, which never sees a key; the key stays here.

mod bundle;

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::fs::Mode;
use rustix::rand::GetRandomFlags;
use seal::{SEED_BYTES, SigningKey, base64, pae};
use serde::{Deserialize, Serialize};

use crate::args::{
    EvidenceCommand, KeygenArguments, ShowEvidenceArguments, SignArguments, SignPolicyArguments,
};
use crate::ask::{Answer, Form, Inquiry};
use crate::escape::{escaped_path, visible};
use crate::failure::Failure;
use crate::partial::{Existing, Partial, open_directory};

use bundle::Bundle;

/// A key file is a few hundred bytes.
const KEY_BYTES_MAX: u64 = 65_536;

/// Does what is asked.
pub(crate) fn run(command: &EvidenceCommand) -> Result<ExitCode, Failure> {
    match command {
        EvidenceCommand::Keygen(arguments) => keygen(arguments),
        EvidenceCommand::Sign(arguments) => sign(arguments),
        EvidenceCommand::SignPolicy(arguments) => sign_policy(arguments),
        EvidenceCommand::Show(arguments) => show(arguments),
    }
}

/// What the verifier made of what is to be signed.
#[derive(Debug, Deserialize)]
struct Prepared {
    payload_type: String,
    payloads: Vec<String>,
    evidence: Vec<String>,
}

/// A DSSE envelope, its keys in the order of their names.
#[derive(Debug, Serialize)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Serialize)]
struct Signature {
    keyid: String,
    sig: String,
}

fn keygen(arguments: &KeygenArguments) -> Result<ExitCode, Failure> {
    let mut seed = [0; SEED_BYTES];
    let filled = rustix::rand::getrandom(&mut seed[..], GetRandomFlags::empty());
    if !matches!(filled, Ok(SEED_BYTES)) {
        return Err(Failure::said("the kernel gave no random bytes"));
    }
    let key = SigningKey::from_seed(&seed);
    let private = with_ending(&arguments.output, "key");
    let public = with_ending(&arguments.output, "pub");
    write_new(&private, key.to_pem().as_bytes(), Mode::RUSR | Mode::WUSR)?;
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    write_new(&public, key.public().to_pem().as_bytes(), readable)?;
    let id = key.public().id();
    let (private, public) = (escaped_path(&private), escaped_path(&public));
    writeln!(io::stdout(), "{private}: keep it to yourself")?;
    writeln!(io::stdout(), "{public}: key {id}")?;
    Ok(ExitCode::SUCCESS)
}

fn sign(arguments: &SignArguments) -> Result<ExitCode, Failure> {
    let keys = arguments.key.iter().map(|path| read_key(path));
    let keys: Vec<SigningKey> = keys.collect::<Result<_, _>>()?;
    let mut inquiry = Inquiry::new("prepare");
    inquiry.add("records", &arguments.records)?;
    let (answer, prepared) = prepared(inquiry)?;
    let (directory, name) = place(&arguments.output)?;
    let at = |error: io::Error| Failure::at(&arguments.output, &error);
    let partial = Partial::create(&directory).map_err(at)?;
    let mut bundle = Bundle::new(partial.file());
    for (index, payload) in prepared.payloads.iter().enumerate() {
        let envelope = sealed(&prepared.payload_type, payload, &keys)?;
        let name = format!("statements/{:04}.json", index.saturating_add(1));
        bundle.add(&name, envelope.as_bytes()).map_err(at)?;
    }
    for path in &arguments.attach {
        bundle.attach(path)?;
    }
    let missing = prepared
        .evidence
        .iter()
        .find(|digest| !bundle.holds(digest));
    if let Some(digest) = missing {
        return Err(Failure::said(format!(
            "a record rests on the file with the SHA-256 {}, and none that is attached has it; \
             name it with --attach",
            visible(digest)
        )));
    }
    bundle.finish().map_err(at)?;
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    rustix::fs::fchmod(partial.file(), readable).map_err(|error| at(error.into()))?;
    partial.keep(&name, Existing::Refuse).map_err(at)?;
    for line in &answer.text {
        writeln!(io::stdout(), "signed: {}", visible(line))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn sign_policy(arguments: &SignPolicyArguments) -> Result<ExitCode, Failure> {
    let key = read_key(&arguments.key)?;
    let mut inquiry = Inquiry::new("prepare");
    inquiry.add("policy", &arguments.policy)?;
    let (answer, prepared) = prepared(inquiry)?;
    let payload = prepared.payloads.first().map_or("", String::as_str);
    let envelope = sealed(&prepared.payload_type, payload, &[key])?;
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    write_new(&arguments.output, envelope.as_bytes(), readable)?;
    for line in &answer.text {
        writeln!(io::stdout(), "signed: {}", visible(line))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(arguments: &ShowEvidenceArguments) -> Result<ExitCode, Failure> {
    let mut inquiry = Inquiry::new("show");
    for file in &arguments.files {
        inquiry.add("bundle", file)?;
    }
    inquiry.ask()?.print(Form::of(arguments.json))
}

fn prepared(inquiry: Inquiry) -> Result<(Answer, Prepared), Failure> {
    let answer = inquiry.ask()?;
    let prepared = serde_json::from_str(answer.report.get())
        .map_err(|error| Failure::said(format!("the answer can't be read: {error}")))?;
    Ok((answer, prepared))
}

/// The envelope around a payload, signed by each key.
fn sealed(payload_type: &str, payload: &str, keys: &[SigningKey]) -> Result<String, Failure> {
    let bytes = base64::decode(payload)
        .ok_or_else(|| Failure::said("the answer can't be read: it holds no base64"))?;
    let message = pae(payload_type, &bytes);
    let signatures = keys.iter().map(|key| Signature {
        keyid: key.public().id().to_string(),
        sig: base64::encode(&key.sign(&message)),
    });
    let envelope = Envelope {
        payload: base64::encode(&bytes),
        payload_type: payload_type.to_owned(),
        signatures: signatures.collect(),
    };
    let mut text = serde_json::to_string(&envelope).map_err(io::Error::from)?;
    text.push('\n');
    Ok(text)
}

fn read_key(path: &Path) -> Result<SigningKey, Failure> {
    let at = |error: io::Error| Failure::at(path, &error);
    let data = fs::metadata(path).map_err(at)?;
    if !data.is_file() || data.len() > KEY_BYTES_MAX {
        return Err(Failure::said(format!(
            "{}: this is no key file",
            escaped_path(path)
        )));
    }
    let text = fs::read_to_string(path).map_err(at)?;
    SigningKey::parse(&text)
        .map_err(|error| Failure::said(format!("{}: {error}", escaped_path(path))))
}

/// Writes a file that is not there yet, whole.
fn write_new(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), Failure> {
    let (directory, name) = place(path)?;
    let at = |error: io::Error| Failure::at(path, &error);
    let partial = Partial::create(&directory).map_err(at)?;
    partial.file().write_all(bytes).map_err(at)?;
    rustix::fs::fchmod(partial.file(), mode).map_err(|error| at(error.into()))?;
    partial.keep(&name, Existing::Refuse).map_err(at)
}

fn place(output: &Path) -> Result<(OwnedFd, PathBuf), Failure> {
    let name = output.file_name();
    let name =
        name.ok_or_else(|| Failure::said(format!("{}: not a file name", escaped_path(output))))?;
    let parent = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = open_directory(parent).map_err(|error| Failure::at(parent, &error))?;
    Ok((directory, name.into()))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
