//! Services that people can sign in with: the `[[provider]]` entries, and GitHub by Levee's own
//! variables.

use super::settings::{ConfigError, Secret, read_secret};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One service to sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// In paths: `/auth/<name>`.
    pub name: String,
    pub kind: ProviderKind,
    pub client_id: String,
    pub client_secret: Secret,
    /// Where the service sends the browser back to; `None`: `<public url>/auth/<name>/callback`.
    pub redirect_uri: Option<String>,
    /// Logins or e-mails that may come in; empty lets in everybody whom the rest lets in.
    pub allowed_users: Vec<String>,
    /// GitHub organisations whose members may come in.
    pub allowed_organizations: Vec<String>,
    /// Logins or e-mails that become administrators.
    pub admin_users: Vec<String>,
    /// Pages of other origins that a login may end at, word for word.
    pub redirect_urls: Vec<String>,
}

/// What the service speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    GitHub {
        /// `https://github.com`, or an Enterprise server.
        url: String,
        /// `https://api.github.com`, or an Enterprise server's.
        api_url: String,
    },
    /// OpenID Connect, found by its issuer.
    OpenId { issuer: String },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    GitHub,
    OpenId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    kind: KindName,
    client_id: String,
    client_secret: Option<String>,
    client_secret_file: Option<String>,
    issuer: Option<String>,
    url: Option<String>,
    api_url: Option<String>,
    redirect_uri: Option<String>,
    #[serde(default)]
    allowed_users: Vec<String>,
    #[serde(default)]
    allowed_organizations: Vec<String>,
    #[serde(default)]
    admin_users: Vec<String>,
    #[serde(default)]
    redirect_urls: Vec<String>,
}

/// Reads the `[[provider]]` entries of a file.
pub(super) fn read(value: &toml::Value) -> Result<Vec<Provider>, ConfigError> {
    let bad = |text: String| ConfigError::BadProvider { text };
    let entries: Vec<Entry> = value.clone().try_into().map_err(|e| bad(format!("{e}")))?;
    let mut providers: Vec<Provider> = Vec::new();
    for entry in entries {
        let provider = provider(entry)?;
        if providers.iter().any(|known| known.name == provider.name) {
            return Err(bad(format!("{:?} is defined twice", provider.name)));
        }
        providers.push(provider);
    }
    Ok(providers)
}

fn provider(entry: Entry) -> Result<Provider, ConfigError> {
    let Entry { name, .. } = &entry;
    let bad = |text: &str| ConfigError::BadProvider { text: format!("{name:?} {text}") };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(is_word) {
        return Err(bad("takes letters, digits and hyphens as its name"));
    }
    let client_secret = match (&entry.client_secret, &entry.client_secret_file) {
        (Some(secret), None) => secret.clone(),
        (None, Some(file)) => read_secret(Path::new(file))?,
        (None, None) | (Some(_), Some(_)) => {
            return Err(bad("needs either client_secret or client_secret_file"));
        }
    };
    let plain = |url: String| url.trim_end_matches('/').to_owned();
    let kind = match (entry.kind, entry.issuer.clone()) {
        (KindName::OpenId, Some(issuer)) => ProviderKind::OpenId { issuer },
        (KindName::OpenId, None) => return Err(bad("needs an issuer")),
        (KindName::GitHub, _) => ProviderKind::GitHub {
            url: plain(entry.url.clone().unwrap_or_else(|| GITHUB_URL.into())),
            api_url: plain(entry.api_url.clone().unwrap_or_else(|| GITHUB_API_URL.into())),
        },
    };
    if !entry.allowed_organizations.is_empty() && matches!(kind, ProviderKind::OpenId { .. }) {
        return Err(bad("knows no organizations; use allowed_users"));
    }
    Ok(Provider {
        kind,
        client_id: entry.client_id,
        client_secret: client_secret.into(),
        redirect_uri: entry.redirect_uri,
        allowed_users: entry.allowed_users,
        allowed_organizations: entry.allowed_organizations,
        admin_users: entry.admin_users,
        redirect_urls: entry.redirect_urls,
        name: entry.name,
    })
}

const GITHUB_URL: &str = "https://github.com";
const GITHUB_API_URL: &str = "https://api.github.com";

/// GitHub, as Levee's own variables define it.
pub(super) fn env_github(env: &BTreeMap<String, String>) -> Option<Provider> {
    let list = |name: &str| {
        let text = env.get(name).map_or("", String::as_str);
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    };
    Some(Provider {
        name: "github".into(),
        kind: ProviderKind::GitHub { url: GITHUB_URL.into(), api_url: GITHUB_API_URL.into() },
        client_id: env.get("GITHUB_CLIENT_ID")?.clone(),
        client_secret: env.get("GITHUB_CLIENT_SECRET")?.clone().into(),
        redirect_uri: env.get("GITHUB_REDIRECT_URI").cloned(),
        allowed_users: list("GITHUB_ALLOWED_USERS"),
        allowed_organizations: list("GITHUB_ALLOWED_ORGANIZATIONS"),
        admin_users: list("GITHUB_ADMIN_USERS"),
        redirect_urls: list("GITHUB_REDIRECT_URLS"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Provider>, String> {
        let table: toml::Table = text.parse().unwrap();
        read(&table["provider"]).map_err(|error| error.to_string())
    }

    #[test]
    fn entries_are_read_and_what_is_wrong_is_said() {
        let good = parse(
            "[[provider]]\nname='github'\nkind='github'\nclient_id='c'\nclient_secret='s'\n\
             api_url='http://127.0.0.1:1/'\nallowed_organizations=['acme']\n\
             [[provider]]\nname='work'\nkind='openid'\nclient_id='c'\nclient_secret='s'\n\
             issuer='https://id.example'",
        )
        .unwrap();
        let (url, api_url) = ("https://github.com".into(), "http://127.0.0.1:1".into());
        assert_eq!(good[0].kind, ProviderKind::GitHub { url, api_url });
        assert_eq!(good[1].kind, ProviderKind::OpenId { issuer: "https://id.example".into() });
        let head = "[[provider]]\nname='x'\nclient_id='c'\n";
        for (rest, said) in [
            ("kind='openid'\nclient_secret='s'", "needs an issuer"),
            ("kind='github'", "needs either client_secret"),
            ("kind='saml'\nclient_secret='s'", "saml"),
            ("kind='github'\nclient_secret='s'\ncolour='red'", "colour"),
        ] {
            let fault = parse(&[head, rest].concat()).unwrap_err();
            assert!(fault.contains(said), "{fault}");
        }
    }
}
