//! A Unix socket to listen on: made for owner and group, taken over only from the dead, removed at the end.

use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Who may connect: owner and group.
const MODE: u32 = 0o660;
/// How many connections wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long another server may take to show that it lives.
const ALIVE: Duration = Duration::from_secs(1);

/// A bound socket. Dropping it removes its file, unless somebody else has put another there.
pub struct Bound {
    /// Accepts connections.
    pub listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

impl Bound {
    /// Binds. A file that is no socket, and a socket that somebody listens on, are left alone.
    pub async fn bind(path: &Path) -> Result<Self> {
        clear(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Before anybody can connect: until `listen` the kernel refuses.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { listener, identity: identity(path)?, path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Removes what a server that was killed left behind.
async fn clear(path: &Path) -> Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    let answer = tokio::time::timeout(ALIVE, UnixStream::connect(path)).await;
    match answer {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Err(Error::new(ErrorKind::AddrInUse, "another server listens there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_dead_are_taken_over_and_only_our_own_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admit.sock");
        let first = Bound::bind(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let second = Bound::bind(&path).await.err().unwrap();
        assert_eq!(
            (second.kind(), second.to_string().as_str()),
            (ErrorKind::AddrInUse, "another server listens there")
        );
        drop(first);
        assert!(!path.exists(), "removed at the end");

        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let stale = Bound::bind(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(stale);
        assert!(path.exists(), "another server's socket stays");

        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "something else").unwrap();
        let file = Bound::bind(&path).await.err().unwrap();
        assert_eq!(file.to_string(), "there is a file that is no socket");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "something else");
    }
}
