//! Gateways that are not ours, configured as `admit gateway-config` says.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::Result;
use crate::admit::Admit;
use crate::plan::tool;
use crate::server::{Server, free_address, status};

/// Which gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// `auth_request`
    Nginx,
    /// `reverse_proxy` with `forward_auth`'s means
    Caddy,
}

impl Gateway {
    /// Its name, also that of its configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        }
    }

    /// Starts it between `checker`, which decides, and `application`, which answers what is admitted.
    pub fn serve(self, admit: &Admit, name: &str, checker: SocketAddr, application: SocketAddr) -> Result<Arc<Server>> {
        let address = free_address()?;
        let folder = admit.folder().join(name);
        let [listen, checker, application] =
            [address.to_string(), format!("http://{checker}"), format!("http://{application}")];
        let places = ["--listen", &listen, "--admit", &checker, "--upstream", &application];
        let text = admit.run(&[&["gateway-config", self.name(), "--host", "shop.test"], &places[..]].concat())?;
        let file = folder.join("gateway.conf");
        let write = || {
            fs::create_dir_all(&folder)?;
            fs::write(&file, text)?;
            folder.canonicalize()
        };
        let folder = write().map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let mut command = self.command(&folder)?;
        let log_file = folder.join("serve.log");
        let log = File::create(&log_file).map_err(|error| format!("cannot write {}: {error}", log_file.display()))?;
        command.stdout(Stdio::null()).stderr(log);
        let is_ready =
            |address| status(address, b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").is_ok();
        let (server, _) =
            Server::listening(&mut command, address, is_ready, || fs::read_to_string(&log_file).unwrap_or_default())?;
        Ok(Arc::new(server))
    }

    fn command(self, folder: &Path) -> Result<Command> {
        let file = folder.join("gateway.conf");
        Ok(match self {
            Self::Nginx => {
                let mut command = Command::new(tool("ADMIT_TEST_NGINX")?);
                command.arg("-p").arg(folder).arg("-c").arg(file).args(["-g", "daemon off;"]);
                command
            }
            Self::Caddy => {
                let mut command = Command::new(tool("ADMIT_TEST_CADDY")?);
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
                command
            }
        })
    }
}
