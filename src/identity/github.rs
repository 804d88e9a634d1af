//! GitHub: OAuth with PKCE, then its API for who it is.

use super::client::Client;
use super::{Answer, IdentityFault, Provider, Vouched};
use levee_core::directory::{Identity, LoginStart};
use levee_core::wire::http::percent_encode;
use serde_json::Value;

/// Where the browser goes.
pub(super) fn sign_in_url(
    url: &str,
    provider: &Provider,
    start: &LoginStart,
    redirect_uri: &str,
) -> String {
    let scope = match provider.allowed_organizations.is_empty() {
        true => "user:email",
        false => "user:email read:org",
    };
    let parameters = [
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", redirect_uri),
        ("scope", scope),
        ("state", &start.state),
        ("code_challenge", &start.challenge),
        ("code_challenge_method", "S256"),
    ];
    format!("{url}/login/oauth/authorize?{}", query(&parameters))
}

/// `name=value&…`, encoded.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", percent_encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

pub(super) fn vouch(
    client: &Client,
    (url, api_url): (&str, &str),
    provider: &Provider,
    answer: &Answer,
) -> Result<Vouched, IdentityFault> {
    let tokens = client.exchange(
        &format!("{url}/login/oauth/access_token"),
        &[
            ("grant_type", "authorization_code"),
            ("client_id", &provider.client_id),
            ("client_secret", &provider.client_secret),
            ("code", &answer.code),
            ("redirect_uri", &answer.redirect_uri),
            ("code_verifier", &answer.verifier),
        ],
    )?;
    let token = tokens["access_token"].as_str().ok_or(IdentityFault::CodeRefused)?;
    let user = client.get(&format!("{api_url}/user"), Some(token))?;
    let id = user["id"].as_u64().ok_or(IdentityFault::Unreachable)?;
    let login = user["login"].as_str().unwrap_or("").to_owned();
    // A profile without a visible address is one without an address.
    let emails = client.get(&format!("{api_url}/user/emails"), Some(token)).unwrap_or(Value::Null);
    let organizations = match provider.allowed_organizations.is_empty() {
        true => Vec::new(),
        false => logins(&client.get(&format!("{api_url}/user/orgs?per_page=100"), Some(token))?),
    };
    let email = verified_email(&emails);
    let name = user["name"].as_str().filter(|name| !name.is_empty()).unwrap_or(&login).to_owned();
    Ok(Vouched {
        identity: Identity { issuer: issuer(provider, url).to_owned(), subject: id.to_string() },
        email_verified: email.is_some(),
        email: email.unwrap_or_default(),
        display_name: name,
        login,
        organizations,
    })
}

/// What its numbers are numbers of. Servers count for themselves: number 7 of one is not number 7
/// of another. The name that Levee knows keeps the word under which Levee's accounts stand.
fn issuer<'a>(provider: &Provider, url: &'a str) -> &'a str {
    if provider.name == "github" { "github" } else { url }
}

/// The primary address, if GitHub has seen that it is theirs.
fn verified_email(emails: &Value) -> Option<String> {
    let mut all = emails.as_array()?.iter();
    let primary = all.find(|email| email["primary"] == true && email["verified"] == true)?;
    primary["email"].as_str().map(str::to_owned)
}

fn logins(organizations: &Value) -> Vec<String> {
    let all = organizations.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|one| one["login"].as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Kind;

    #[test]
    fn every_server_counts_for_itself() {
        let provider = |name: &str| Provider {
            name: name.into(),
            kind: Kind::GitHub { url: String::new(), api_url: String::new() },
            client_id: String::new(),
            client_secret: String::new(),
            redirect_uri: None,
            allowed_users: vec![],
            allowed_organizations: vec![],
            admin_users: vec![],
            redirect_urls: vec![],
        };
        let (one, other) = ("https://one.example", "https://other.example");
        assert_eq!(issuer(&provider("github"), one), "github");
        assert_eq!(issuer(&provider("acme"), one), one);
        assert_ne!(issuer(&provider("acme"), one), issuer(&provider("acme"), other));
    }
}
