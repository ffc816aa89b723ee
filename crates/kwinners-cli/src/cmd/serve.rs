//! `kwinners serve`: a folder of runs in the browser.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use kwinners_dashboard::live::{Config, Server, Showcase, new_token};
use serde_json::json;

use crate::args::Shared;
use crate::interrupt;
use crate::output::Output;
use crate::status::BadInput;

/// Where the page is, unless it is said otherwise.
pub(crate) const ADDRESS: &str = "127.0.0.1:7878";

/// Time between two looks whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(100);

/// What `kwinners serve` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The folder: models, logs and reports in it and in the folders below
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = ADDRESS)]
    addr: SocketAddr,
    /// Let other machines in: for an --addr beyond this machine. The page then wants a token, which is in
    /// the address that is printed; it travels unencrypted
    #[arg(long)]
    remote: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let token = match (arguments.addr.ip().is_loopback(), arguments.remote) {
        (_, true) => Some(new_token()?),
        (true, false) => None,
        (false, false) => {
            let reason = format!(
                "{}: other machines can reach this; say --remote if they may",
                arguments.addr
            );
            return Err(BadInput(reason).into());
        }
    };
    let asked = interrupt::flag();
    let (folder, address) = (arguments.folder.clone(), arguments.addr);
    let config =
        Config { folder, address, token, load: Arc::new(super::loader(shared)), running: None };
    let server = Server::start(config)?;
    output.line(format_args!("{}  (Ctrl-C ends it)", server.url()))?;
    output.object(&json!({ "url": server.url(), "address": server.address() }))?;
    while !asked.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// The page of a fit that will write `model`: beside it are the runs of its folder.
pub(crate) fn of_fit(
    address: SocketAddr,
    model: &Path,
    shared: &Shared,
) -> anyhow::Result<(Server, Arc<Showcase>)> {
    if !address.ip().is_loopback() {
        let reason =
            format!("--serve {address}: expected an address of this machine, such as {ADDRESS}");
        return Err(BadInput(reason).into());
    }
    let folder = model.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let showcase = Arc::new(Showcase::default());
    let running = Some((model.to_owned(), showcase.clone()));
    let folder = folder.to_owned();
    let config =
        Config { folder, address, token: None, load: Arc::new(super::loader(shared)), running };
    Ok((Server::start(config)?, showcase))
}
