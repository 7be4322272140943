//! Where master keys come from: a file, a variable or a command; and the lines of the file.
//!
//! A key is made only together with an empty store, or by `admit master-key add`. No message repeats one.

use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use admit_core::master::{self, Ring};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::app;
use crate::config::MasterKeySource;
use crate::serve::{Failure, write_private};

/// The longest text of a source, in bytes.
const TEXT_MAX: usize = 64 << 10;

/// Reads the keys from their source; makes a file only where the store is made with it.
pub fn load(source: &MasterKeySource, is_new: bool) -> Result<Ring, Failure> {
    let text = match source {
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
    if text.len() > TEXT_MAX {
        return Err(Failure(format!("{} has more than {TEXT_MAX} bytes", name(source))));
    }
    Ring::parse(&text).map_err(|wrong| Failure(format!("the master key {} {wrong}", name(source))))
}

/// What a message calls the source.
pub fn name(source: &MasterKeySource) -> String {
    match source {
        MasterKeySource::File(file) => file.display().to_string(),
        MasterKeySource::Env(name) => format!("in the variable {name}"),
        MasterKeySource::Command(command) => {
            format!("of the command {}", command.first().map_or("", String::as_str))
        }
    }
}

/// What changes when the file does; always the same for other sources.
pub type Stamp = Option<(i64, i64, u64, u64)>;

/// Looks at the file. Follows links, as tools that put secrets in place move those.
pub fn stamp(source: &MasterKeySource) -> Stamp {
    let MasterKeySource::File(file) = source else { return None };
    let about = std::fs::metadata(file).ok()?;
    Some((about.ctime(), about.ctime_nsec(), about.len(), about.ino()))
}

/// Adds a line for a new key. The file is there whole before and after, whatever happens between.
pub fn add(file: &Path, number: i64, key: &[u8; 32]) -> Result<(), Failure> {
    let added = master::line(number, key);
    rewrite(file, |text| {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        Zeroizing::new(format!("{text}{gap}{}", *added))
    })
}

/// Takes the line of a key away.
pub fn remove(file: &Path, number: i64) -> Result<(), Failure> {
    rewrite(file, |text| {
        let kept = text.split(['\n', ',']).filter(|line| !line.trim().is_empty() && number_of(line) != Some(number));
        Zeroizing::new(kept.map(|line| format!("{}\n", line.trim())).collect())
    })
}

/// A line without a number is key 1.
fn number_of(line: &str) -> Option<i64> {
    line.trim().split_once([' ', '\t']).map_or(Some(1), |(number, _)| number.parse().ok())
}

/// Replaces the content of a file that is no link afterwards where it was one before: what the link names is replaced.
fn rewrite(file: &Path, change: impl FnOnce(&str) -> Zeroizing<String>) -> Result<(), Failure> {
    let file = file.canonicalize().map_err(|error| cannot("read", file, &error))?;
    let old = File::open(&file).map_err(|error| cannot("read", &file, &error))?;
    let about = |error| cannot("read", &file, &error);
    old.try_lock().map_err(|_| Failure(format!("{} is being changed by another admit; try again", file.display())))?;
    let (held, there) = (old.metadata().map_err(about)?, std::fs::metadata(&file).map_err(about)?);
    if held.ino() != there.ino() {
        return Err(Failure(format!("{} was changed by another admit just now; try again", file.display())));
    }
    let text = from_file(&file)?;
    let draft = write_draft(&file, &change(&text), &held).map_err(|error| {
        let print = "Next: admit master-key add --print, and put the line into the file where it is made";
        Failure(format!("cannot write {}: {error}. {print}", file.display()))
    })?;
    // What is not a good list never takes the place of one.
    let is_good = from_file(&draft).and_then(|text| Ring::parse(&text).map_err(|wrong| Failure(wrong.to_string())));
    let placed = is_good.and_then(|_| {
        std::fs::rename(&draft, &file).and_then(|()| sync_folder(&file)).map_err(|error| cannot("write", &file, &error))
    });
    if placed.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    placed.map_err(|failure| Failure(format!("{}: {failure}", file.display())))
}

/// Written and synced beside the file, for the same owner.
fn write_draft(file: &Path, text: &str, old: &std::fs::Metadata) -> std::io::Result<PathBuf> {
    use std::io::Write;
    use std::os::unix::fs::{OpenOptionsExt, fchown};
    let draft = file.with_extension("new");
    let _ = std::fs::remove_file(&draft);
    let mut made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let own = made.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        fchown(&made, Some(old.uid()), Some(old.gid()))?;
    }
    made.write_all(text.as_bytes())?;
    made.sync_all()?;
    Ok(draft)
}

fn sync_folder(file: &Path) -> std::io::Result<()> {
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn cannot(what: &str, file: &Path, error: &dyn Display) -> Failure {
    Failure(format!("cannot {what} {}: {error}", file.display()))
}

fn make(file: &Path) -> Result<(), Failure> {
    let key = Zeroizing::new(app::random::<32>());
    let draft = file.with_extension(format!("draft-{}", std::process::id()));
    write_private(&draft, &Zeroizing::new(format!("{}\n", *Zeroizing::new(HEXLOWER.encode(key.as_slice())))))?;
    // Linked, not renamed: of two first starts at once the second finds the first one's key and keeps it.
    let linked = std::fs::hard_link(&draft, file);
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(cannot("write", file, &error)),
        _ => Ok(()),
    }
}

fn from_file(file: &Path) -> Result<Zeroizing<String>, Failure> {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file_with(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        (folder, file)
    }

    fn numbers(file: &Path) -> Vec<i64> {
        load(&MasterKeySource::File(file.to_owned()), false).unwrap().numbers().collect()
    }

    #[test]
    fn lines_are_added_and_taken_away_and_the_file_stays_its_owner_s() {
        let first = "ab".repeat(32);
        for text in [first.clone(), format!("{first}\n"), format!("1 {first},3 {}", "ef".repeat(32))] {
            let (_folder, file) = file_with(&text);
            let others = numbers(&file)[1..].to_vec();
            add(&file, 7, &[7; 32]).unwrap();
            assert_eq!(numbers(&file), [vec![1], others.clone(), vec![7]].concat());
            remove(&file, 1).unwrap();
            assert_eq!(numbers(&file), [others, vec![7]].concat());
            let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
    }

    #[test]
    fn what_would_be_no_list_any_more_leaves_the_file_alone() {
        let (folder, file) = file_with(&"ab".repeat(32));
        let refused = |done: Result<(), Failure>, words: &str| {
            let said = done.unwrap_err().0;
            assert!(said.contains(words), "{said}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "ab".repeat(32));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        };
        refused(add(&file, 1, &[7; 32]), "two keys with the number 1");
        refused(remove(&file, 1), "64 hexadecimal digits");
    }

    #[test]
    fn two_changes_at_once_are_one_and_a_refusal() {
        let (_folder, file) = file_with(&"ab".repeat(32));
        let held = File::open(&file).unwrap();
        held.try_lock().unwrap();
        assert!(add(&file, 2, &[7; 32]).unwrap_err().0.contains("by another admit"));
        drop(held);
        add(&file, 2, &[7; 32]).unwrap();
    }

    #[test]
    fn a_draft_that_a_kill_left_is_in_nobody_s_way() {
        let (folder, file) = file_with(&"ab".repeat(32));
        std::fs::write(folder.path().join("master.new"), "2 cd").unwrap();
        add(&file, 2, &[7; 32]).unwrap();
        assert_eq!(numbers(&file), [1, 2]);
    }

    #[test]
    fn a_link_still_points_to_the_file() {
        let (folder, file) = file_with(&"ab".repeat(32));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        add(&link, 2, &[7; 32]).unwrap();
        assert!(link.is_symlink() && numbers(&file) == [1, 2]);
    }
}
