//! What a person sees at start: where it listens, what it runs on, what to paste into an app.

use crate::config::{Config, Durability};
use crate::runtime::DriverKind;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

/// Where the service runs.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) addresses: &'a [SocketAddr],
    pub(super) cpus: &'a [usize],
    pub(super) partitions: u16,
    pub(super) driver: DriverKind,
}

/// Prints the banner to standard output. Scripts read its `listening on` lines. `set_up` is the
/// token of the link that makes the first administrator.
pub(super) fn print(config: &Config, place: Place<'_>, set_up: Option<&str>) {
    let text = text(config, place, set_up);
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason not to serve.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn text(config: &Config, place: Place<'_>, set_up: Option<&str>) -> String {
    let Place { addresses, cpus, partitions, driver } = place;
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
    if let Some(token) = set_up {
        // Behind `#`, the token is not sent with the page's request and stands in nobody's log.
        let url = url(config, addresses);
        let _ = writeln!(
            out,
            "set up     no administrator yet; this link makes one, once: {url}/admin/set-up#{token}"
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
    if let Some(tenant) = config.tenants.first().filter(|_| !config.dev) {
        let (url, id) = (url(config, addresses), &tenant.id);
        let _ = writeln!(
            out,
            "paste      new AzureClient({{ connection: {{ type: \"remote\", tenantId: \"{id}\", \
             endpoint: \"{url}\", tokenProvider }} }})"
        );
    }
    out
}

/// Where a browser finds the service: as configured, or on this machine.
fn url(config: &Config, addresses: &[SocketAddr]) -> String {
    let Some(address) = addresses.first().filter(|_| config.public_url.is_none()) else {
        return config.public_url.clone().unwrap_or_default().trim_end_matches('/').to_owned();
    };
    match address.ip().is_unspecified() {
        true => format!("http://localhost:{}", address.port()),
        false => format!("http://{address}"),
    }
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
        let place = Place {
            addresses: &config.listen,
            cpus: &[0, 1],
            partitions: 8,
            driver: DriverKind::Epoll,
        };
        assert!(!text(&config, place, None).contains("set up"));
        let text = text(&config, place, Some("set_token"));
        for part in [
            "listening on http://127.0.0.1:4000\n",
            "listening on http://127.0.0.1:7071\n",
            "cores      2 on CPUs 0,1, epoll\n",
            "data       ./data, durability power, 8 partitions\n",
            "tenant local: its tokens are not verified",
            "open       http://localhost:4000/\n",
            "port: 7070",
            "once: http://127.0.0.1:4000/admin/set-up#set_token\n",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
    }

    #[test]
    fn a_browser_is_sent_where_it_finds_the_service() {
        let (mut config, _) = Config::load(&Inputs { dev: true, ..Inputs::default() }).unwrap();
        let any = [SocketAddr::from(([0, 0, 0, 0], 4000))];
        assert_eq!(url(&config, &any), "http://localhost:4000");
        config.public_url = Some("https://levee.example/".into());
        assert_eq!(url(&config, &any), "https://levee.example");
    }
}
