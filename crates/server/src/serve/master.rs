//! The master key: made only together with an empty store, and checked against the store at every start.

use std::path::Path;
use std::process::Command;

use admit_core::secret::MasterKey;
use admit_store::{End, Store};
use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use super::{Failure, write_private};
use crate::app;
use crate::config::{Config, MasterKeySource};

/// Where the store keeps the check value of its master key.
const CHECK: &str = "master_key_check";

/// Reads the key from its source; makes a file only where the store is made with it.
pub fn load(config: &Config, is_new: bool) -> Result<MasterKey, Failure> {
    let text = match &config.master_key {
        MasterKeySource::File(file) => {
            if is_new && !file.exists() {
                make(file)?;
            }
            from_file(file)?
        }
        MasterKeySource::Env(name) => {
            let text = std::env::var(name).map_err(|_| Failure(format!("master_key.env: {name} is not set")))?;
            Zeroizing::new(text)
        }
        MasterKeySource::Command(command) => from_command(command)?,
    };
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok().map(Zeroizing::new);
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    bytes.map(MasterKey::new).ok_or_else(|| Failure("the master key must be 64 hexadecimal digits".to_owned()))
}

/// True where the store was not yet made with any key.
pub fn is_unset(store: &Store) -> Result<bool, Failure> {
    Ok(store.point(|tx| tx.find_meta(CHECK))?.is_none())
}

/// Compares the key with the one that the store was made with.
pub fn check(store: &Store, key: &MasterKey) -> Result<(), Failure> {
    let value = key.check_value();
    let known = store.write_blocking(move |tx| {
        tx.insert_meta(CHECK, &value)?;
        tx.find_meta(CHECK).map(End::Commit)
    })?;
    let is_same = known.is_some_and(|known| aws_lc_rs::constant_time::verify_slices_are_equal(&known, &value).is_ok());
    if is_same {
        return Ok(());
    }
    Err(Failure(
        "this master key is not the one that the store was made with; set [master_key] to the right one".to_owned(),
    ))
}

fn make(file: &Path) -> Result<(), Failure> {
    let key = Zeroizing::new(app::random::<32>());
    let text = Zeroizing::new(format!("{}\n", HEXLOWER_PERMISSIVE.encode(key.as_slice())));
    let draft = file.with_extension(format!("draft-{}", std::process::id()));
    write_private(&draft, &text)?;
    // Linked, not renamed: of two first starts at once the second finds the first one's key and keeps it.
    let linked = std::fs::hard_link(&draft, file);
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Failure(format!("cannot write {}: {error}", file.display())))
        }
        _ => Ok(()),
    }
}

fn from_file(file: &Path) -> Result<Zeroizing<String>, Failure> {
    use std::os::unix::fs::MetadataExt;
    let name = file.display();
    let about = std::fs::metadata(file).map_err(|error| {
        Failure(format!("the master key {name} cannot be read: {error}. Without it the store is of no use; restore it from where it is kept"))
    })?;
    if about.mode() & 0o077 != 0 {
        return Err(Failure(format!("the master key {name} can be read by others. Next: chmod 600 {name}")));
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure(format!("the master key {name} cannot be read: {error}")))?;
    Ok(Zeroizing::new(text))
}

fn from_command(command: &[String]) -> Result<Zeroizing<String>, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure("master_key.command names no program".to_owned()));
    };
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| Failure(format!("master_key.command: {program} cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(Failure(format!("master_key.command: {program} ended with {}", output.status)));
    }
    let text =
        String::from_utf8(output.stdout).map_err(|_| Failure("master_key.command printed no text".to_owned()))?;
    Ok(Zeroizing::new(text))
}
