//! What a person sees at start: where it listens, what it runs on, what to paste into an app.

use crate::config::{Config, Durability};
use crate::runtime::DriverKind;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

/// Prints the banner to standard output. Scripts read its `listening on` lines.
pub(super) fn print(
    config: &Config,
    addresses: &[SocketAddr],
    cpus: &[usize],
    partitions: u16,
    driver: DriverKind,
) {
    let text = text(config, addresses, cpus, partitions, driver);
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason not to serve.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn text(
    config: &Config,
    addresses: &[SocketAddr],
    cpus: &[usize],
    partitions: u16,
    driver: DriverKind,
) -> String {
    let mut out = format!("levee {}\n", env!("CARGO_PKG_VERSION"));
    for address in addresses {
        let _ = writeln!(out, "listening on http://{address}");
    }
    let cpu_list: Vec<_> = cpus.iter().map(usize::to_string).collect();
    let _ = writeln!(out, "cores      {} on CPUs {}, {driver}", cpus.len(), cpu_list.join(","));
    match config.durability {
        Durability::Memory => out.push_str("data       in memory only: gone when this ends\n"),
        durability => {
            let (dir, durability) = (config.data.display(), durability.as_str());
            let _ =
                writeln!(out, "data       {dir}, durability {durability}, {partitions} partitions");
        }
    }
    let unverified: Vec<_> = config
        .tenants
        .iter()
        .filter(|tenant| tenant.unverified)
        .map(|tenant| tenant.id.as_str())
        .collect();
    if !unverified.is_empty() {
        let _ = writeln!(
            out,
            "WARNING    anyone on this machine may open any document of tenant {}: its tokens are \
             not verified",
            unverified.join(", ")
        );
    }
    if config.dev {
        let _ = writeln!(out, "open       http://localhost:{}/", port(addresses, 4000));
        let (fluid, azure) = (port(addresses, 7070), port(addresses, 7071));
        let _ = write!(
            out,
            "paste      new TinyliciousClient({{ connection: {{ port: {fluid} }} }})\n\
             \x20     or   new AzureClient({{ connection: {{ type: \"local\", endpoint: \
             \"http://localhost:{azure}\", tokenProvider: \
             new InsecureTokenProvider(\"any\", user) }} }})\n"
        );
    }
    if let Some(tenant) = config.tenants.first().filter(|_| !config.dev)
        && let Some(address) = addresses.first()
    {
        let host = format!("http://{address}");
        let (url, id) = (config.public_url.as_ref().unwrap_or(&host), &tenant.id);
        let _ = writeln!(
            out,
            "paste      new AzureClient({{ connection: {{ type: \"remote\", tenantId: \"{id}\", \
             endpoint: \"{url}\", tokenProvider }} }})"
        );
    }
    out
}

/// The port that a kind of client looks for by itself, or else the first one.
fn port(addresses: &[SocketAddr], wanted: u16) -> u16 {
    let mut ports = addresses.iter().map(SocketAddr::port);
    let first = ports.clone().next().unwrap_or(0);
    ports.find(|port| *port == wanted).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Inputs;

    #[test]
    fn the_banner_says_what_people_and_scripts_look_for() {
        let (config, _) = Config::load(&Inputs { dev: true, ..Inputs::default() }).unwrap();
        let text = text(&config, &config.listen, &[0, 1], 8, DriverKind::Epoll);
        for part in [
            "listening on http://127.0.0.1:4000\n",
            "listening on http://127.0.0.1:7071\n",
            "cores      2 on CPUs 0,1, epoll\n",
            "data       ./data, durability power, 8 partitions\n",
            "tenant local: its tokens are not verified",
            "open       http://localhost:4000/\n",
            "port: 7070",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
    }
}
